"""A catalogue to vectors on disk, a block of products at a time."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from artifacts.bundle import ModelBundle
from artifacts.catalog import Catalog
from artifacts.index_version import PhotoCounts
from artifacts.side import ClipImageTowerSpec, TowerName
from index_builder.threads import core_count
from index_builder.work_folder import VECTORS_FILE, Progress, read_progress, write_progress
from towers.encoding import ABSENT, USABLE, encode_photos
from towers.query_encoder import Vectors
from towers.side_encoder import SideEncoder
from towers.storage import load_side
from towers.tokens import read_tokenizers

# Products encoded between two notes of progress. It bounds memory, and what a kill costs: a few seconds of
# titles and small photos, some minutes of a large CLIP on a CPU.
BLOCK_ROWS = 4096

MappedVectors = np.memmap[Any, np.dtype[np.float32]]
Advance = Callable[[int], None]  # told how many more products are done


@dataclass(frozen=True, eq=False)
class EmbeddedCatalog:
    """The vectors of a catalogue.

    Attributes:
        vectors: (count, D) float32 of unit length, memory-mapped; row i is the catalogue's row i.
        photos: how many products entered with and without their photo; all zero for a model that reads none.
    """

    vectors: Vectors
    photos: PhotoCounts


def embed_catalog(bundle: ModelBundle, catalog: Catalog, folder: Path) -> EmbeddedCatalog:
    """Encode all products with the product side, going on from what `folder` holds already.

    Args:
        bundle: a verified bundle.
        catalog: the products.
        folder: a work folder of this bundle and catalogue, where the vectors go.
    """
    vectors, done = _open_vectors(folder, len(catalog), bundle.card.width)
    if done.rows == len(catalog):
        return EmbeddedCatalog(vectors, count_photos(done.outcomes))
    encoder = _product_encoder(bundle)
    with tqdm(total=len(catalog), initial=done.rows, desc="encode", unit="product", disable=None) as bar:

        def advance(products: int) -> None:
            bar.update(products)

        for start in range(done.rows, len(catalog), BLOCK_ROWS):
            block = Catalog(catalog.path, catalog.table.slice(start, BLOCK_ROWS))
            fused, outcomes = _encode_block(encoder, block, advance)
            vectors[start : start + len(block)] = fused
            vectors.flush()  # before the note that says so
            done = _advanced(done, len(block), outcomes)
            write_progress(folder, done)
    return EmbeddedCatalog(vectors, count_photos(done.outcomes))


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


def _encode_block(encoder: SideEncoder, block: Catalog, advance: Advance) -> tuple[Vectors, list[str]]:
    """Unit vectors (n, D) of a block's products, and outcomes of its photos (none without a photo tower)."""
    vectors: dict[TowerName, Vectors] = {}
    outcomes: list[str] = []
    for tower in encoder.side.spec.towers:
        if isinstance(tower, ClipImageTowerSpec):
            encoded = encode_photos(
                encoder.side,
                block.folder,
                block.images,
                threads=core_count(),
                progress=advance,
            )
            vectors[tower.name], outcomes = encoded.vectors, encoded.outcomes
        else:
            vectors[tower.name] = encoder.text_vectors(tower.name, block.titles)
    if not outcomes:
        advance(len(block))
    return encoder.fuse(vectors), outcomes


def _advanced(done: Progress, rows: int, outcomes: Iterable[str]) -> Progress:
    return Progress(rows=done.rows + rows, outcomes=dict(Counter(done.outcomes) + Counter(outcomes)))
