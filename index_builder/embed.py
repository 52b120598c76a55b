"""A catalogue to vectors on disk, a block of products at a time."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from artifacts.bundle import ModelBundle
from artifacts.catalog import Catalog
from artifacts.index_version import PhotoCounts
from artifacts.side import ClipImageTowerSpec, TowerName
from index_builder.download import DownloadSettings, FetchedPhoto
from index_builder.ledger import Failure, forget_blocks, note_block, noted_failures
from index_builder.photo_feed import open_feed
from index_builder.progress import Tell, telling
from index_builder.work_folder import VECTORS_FILE, Progress, read_progress, write_progress
from towers.encoding import ABSENT, USABLE, Decoded, encode_decoded, photo_input
from towers.query_encoder import Vectors
from towers.side_encoder import SideEncoder
from towers.storage import load_side
from towers.tokens import read_tokenizers

# Products encoded between two notes of progress. It bounds memory, and what a kill costs: a few seconds of
# titles and small photos, some minutes of a large CLIP on a CPU.
BLOCK_ROWS = 4096

MappedVectors = np.memmap[Any, np.dtype[np.float32]]
Advance = Callable[[int], None]  # told how many more products are done
Photos = Iterator[FetchedPhoto]  # of all products still to be encoded, in their order


@dataclass(frozen=True, eq=False)
class EmbeddedCatalog:
    """The vectors of a catalogue.

    Attributes:
        vectors: (count, D) float32 of unit length, memory-mapped; row i is the catalogue's row i.
        photos: how many products entered with and without their photo; all zero for a model that reads none.
        failures: the photos that could not be used, in the catalogue's order.
    """

    vectors: Vectors
    photos: PhotoCounts
    failures: Sequence[Failure]


def embed_catalog(
    bundle: ModelBundle,
    catalog: Catalog,
    folder: Path,
    downloads: DownloadSettings | None = None,
    tell: Tell = lambda line: None,
) -> EmbeddedCatalog:
    """Encode all products with the product side, going on from what `folder` holds already.

    Photos are downloaded and decoded ahead of what is encoded. One that cannot be used never stops the others: its
    product enters by its title, and the photo goes into the ledger.

    Args:
        bundle: a verified bundle.
        catalog: the products.
        folder: a work folder of this bundle and catalogue, where the vectors go.
        downloads: how photos by URL are had.
        tell: told of progress now and then, where there is no terminal for a bar.
    """
    vectors, done = _open_vectors(folder, len(catalog), bundle.card.width)
    if done.rows < len(catalog):
        encoder = _product_encoder(bundle)
        with (
            _open_photos(encoder, catalog, done.rows, downloads or DownloadSettings()) as photos,
            telling(len(catalog), done.rows, tell) as advance,
        ):
            for block in _blocks(catalog, done.rows):
                fused, tried = _encode_block(encoder, block, photos, advance)
                vectors[done.rows : done.rows + len(block)] = fused
                vectors.flush()  # before the note that says so
                note_block(folder, done.rows, _failures(block, tried))
                done = _advanced(done, len(block), (photo.outcome for photo in tried))
                write_progress(folder, done)
    return EmbeddedCatalog(vectors, count_photos(done.outcomes), noted_failures(folder, done.rows))


def count_photos(outcomes: Mapping[str, int]) -> PhotoCounts:
    """Numbers of products by outcome of their photo, as the manifest records them."""
    unusable = {reason: outcomes[reason] for reason in sorted(outcomes) if reason not in (USABLE, ABSENT)}
    return PhotoCounts(usable=outcomes.get(USABLE, 0), absent=outcomes.get(ABSENT, 0), unusable=unusable)


def _open_vectors(folder: Path, count: int, width: int) -> tuple[MappedVectors, Progress]:
    """The array on disk, (count, width), and how much of it is filled."""
    path, size_bytes = folder / VECTORS_FILE, count * width * np.dtype(np.float32).itemsize
    done = read_progress(folder)
    if done.rows > count or not path.is_file() or path.stat().st_size != size_bytes:
        done = Progress()
        write_progress(folder, done)  # first, so that no note ever speaks of vectors that are gone
        forget_blocks(folder)
        _reserve(path, size_bytes)
    return np.memmap(path, dtype=np.float32, mode="r+", shape=(count, width)), done


def _reserve(path: Path, size_bytes: int) -> None:
    """Make a file of this size. A disk too small is an error here and not a bus error while writing."""
    with path.open("wb") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size_bytes)
        else:
            file.truncate(size_bytes)


def _product_encoder(bundle: ModelBundle) -> SideEncoder:
    side = load_side(bundle.product_folder).to("cuda" if torch.cuda.is_available() else "cpu")
    return SideEncoder(side, read_tokenizers(bundle.product_folder, bundle.product))


@contextmanager
def _open_photos(
    encoder: SideEncoder, catalog: Catalog, first_row: int, downloads: DownloadSettings
) -> Iterator[Photos]:
    """The photos from this row on, decoded across the borders of blocks; none where no tower reads them."""
    if not any(isinstance(tower, ClipImageTowerSpec) for tower in encoder.side.spec.towers):
        yield iter(())
        return
    images = (image for block in _blocks(catalog, first_row) for image in block.images)
    with open_feed(catalog.folder, photo_input(encoder.side), downloads) as feed:
        yield feed.photos(images)


def _blocks(catalog: Catalog, first_row: int) -> Iterator[Catalog]:
    """The catalogue from this row on, BLOCK_ROWS products at a time."""
    for start in range(first_row, len(catalog), BLOCK_ROWS):
        yield Catalog(catalog.path, catalog.table.slice(start, BLOCK_ROWS))


def _encode_block(
    encoder: SideEncoder, block: Catalog, photos: Photos, advance: Advance
) -> tuple[Vectors, list[FetchedPhoto]]:
    """Unit vectors (n, D) of a block's products, and what became of its photos (none without a photo tower)."""
    vectors: dict[TowerName, Vectors] = {}
    tried: list[FetchedPhoto] = []
    for tower in encoder.side.spec.towers:
        if isinstance(tower, ClipImageTowerSpec):
            noted = _noting(photos, tried)
            vectors[tower.name] = encode_decoded(encoder.side, noted, len(block), advance).vectors
        else:
            vectors[tower.name] = encoder.text_vectors(tower.name, block.titles)
    if not tried:
        advance(len(block))
    return encoder.fuse(vectors), tried


def _noting(photos: Photos, tried: list[FetchedPhoto]) -> Iterator[Decoded]:
    """Pass photos on to the encoder, and note what became of each; their pixels are not kept."""
    for photo in photos:
        tried.append(replace(photo, pixels=None))
        yield photo.pixels, photo.outcome


def _failures(block: Catalog, tried: Sequence[FetchedPhoto]) -> list[Failure]:
    """The photos of a block that could not be used."""
    rows = [row for row, photo in enumerate(tried) if photo.outcome not in (USABLE, ABSENT)]
    products = block.table.select(["product_id", "image"]).take(rows).to_pylist() if rows else []
    return [
        Failure(product["product_id"], product["image"], tried[row].outcome, tried[row].attempts, tried[row].tried_at)
        for row, product in zip(rows, products, strict=True)
    ]


def _advanced(done: Progress, rows: int, outcomes: Iterable[str]) -> Progress:
    return Progress(rows=done.rows + rows, outcomes=dict(Counter(done.outcomes) + Counter(outcomes)))
