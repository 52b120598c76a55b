"""Vectors out of the shards of a pool into one file, in the order of the products, and what became of the photos."""

import datetime
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from artifacts.bundle import ModelBundle
from artifacts.catalog import CatalogStream
from artifacts.history import ProductHistory
from artifacts.index_version import TOWER_VECTORS_FILE, PhotoCounts
from index_builder.core.failed_photo import FailedPhoto
from index_builder.core.keys import Keys, Rows
from index_builder.core.progress import ProgressReporter
from index_builder.embeddings.identify import IdentifiedProducts
from index_builder.embeddings.pool import Pool
from index_builder.embeddings.shard import PHOTO_COLUMNS, Shard
from index_builder.embeddings.tower_vectors_file import TowerVectorsFile, reserve
from towers.photos import USABLE
from towers.query_encoder import Vectors

VECTORS_FILE = "vectors.f32"

_Outcome = tuple[str, int, datetime.datetime]  # of a photo: PHOTO_COLUMNS of its shard
MappedVectors = np.memmap[Any, np.dtype[np.float32]]


@dataclass(frozen=True, eq=False)
class EmbeddedProducts:
    """The vectors of a catalogue.

    Attributes:
        vectors: (count, D) float32 of unit length, memory-mapped; row i is the catalogue's row i.
        keys: (count, 2) what they were made of.
        photos: how many products entered with and without their photo; all zero for a model that reads none.
        failures: the photos that could not be used, in the catalogue's order.
        with_history: how many products have a history in their vectors; None where none was to be added.
    """

    vectors: Vectors
    keys: Keys
    photos: PhotoCounts
    failures: Sequence[FailedPhoto]
    with_history: int | None = None


def collect(
    pool: Pool,
    bundle: ModelBundle,
    products: CatalogStream,
    identified: IdentifiedProducts,
    folder: Path,
    report: ProgressReporter,
    history: ProductHistory | None = None,
) -> EmbeddedProducts:
    """Vectors and photos of products, all of which the pool has.

    Args:
        pool: where the vectors are.
        bundle: the model that made them.
        products: whose they are.
        identified: which vectors they need.
        folder: where VECTORS_FILE goes, and if the pool has them the vectors of the towers.
        report: told of shards that were damaged meanwhile.
        history: added to the vectors; the pool's are without, so that equal products share theirs.
    """
    vectors = _new_vectors(folder / VECTORS_FILE, products.count, bundle.card.width)
    towers = TowerVectorsFile(folder / TOWER_VECTORS_FILE, bundle, products.count) if pool.with_tower_vectors else None
    usable, outcomes = np.zeros(products.count, np.bool_), dict[int, _Outcome]()
    for rows, shard in pool.shards(pool.find(identified.keys), report):
        vectors[rows] = shard.vectors
        usable[rows] = pc.equal(shard.photos["outcome"], USABLE).to_numpy()
        outcomes.update(_failed_outcomes(rows, shard))
        if towers and shard.tower_vectors is not None:
            towers.put(rows, shard.tower_vectors, usable[rows])
    failed = dict(_failed_photos(products, outcomes))
    failed |= {row: photo for row, photo in identified.refused.items() if not usable[row] and row not in failed}
    photos = PhotoCounts(usable=0, absent=0)
    if bundle.product.reads_photos:
        photos = _count_photos(products.count, int(usable.sum()), failed)
    moved = _add_history(history, vectors, products) if history else None
    return EmbeddedProducts(vectors, identified.keys, photos, [failed[row] for row in sorted(failed)], moved)


def _add_history(history: ProductHistory, vectors: MappedVectors, products: CatalogStream) -> int:
    """Add the history of those that have one, in place; gives their number."""
    start = moved = 0
    for batch in products.batches(["product_id"]):
        rows = slice(start, start + len(batch))
        places = history.places(batch.column(0))
        vectors[rows] = history.move(vectors[rows], places)
        moved += int((places >= 0).sum())
        start += len(batch)
    return moved


def _new_vectors(path: Path, count: int, width: int) -> MappedVectors:
    """An array on disk, (count, width). A disk too small is an error here and not a bus error while writing."""
    with path.open("wb") as file:
        reserve(file, count * width * np.dtype(np.float32).itemsize)
    return np.memmap(path, dtype=np.float32, mode="r+", shape=(count, width))


def _failed_outcomes(rows: Rows, shard: Shard) -> Iterator[tuple[int, _Outcome]]:
    """Rows of the catalogue whose photo could not be used, with what the shard says of each."""
    failed = shard.taken(np.flatnonzero(shard.failed)).photos
    columns = (failed[name].to_pylist() for name in PHOTO_COLUMNS)
    yield from zip(rows[shard.failed].tolist(), zip(*columns, strict=True), strict=True)


def _failed_photos(products: CatalogStream, outcomes: Mapping[int, _Outcome]) -> Iterator[tuple[int, FailedPhoto]]:
    """Failed photos by row of the catalogue, from which their product ids and images are read."""
    rows, start = np.sort(np.array(list(outcomes), np.int64)), 0
    for batch in products.batches(["product_id", "image"]) if outcomes else ():
        first, after = np.searchsorted(rows, [start, start + len(batch)])
        for row in rows[first:after].tolist():
            product_id, image = (column[row - start].as_py() for column in batch.columns)
            yield row, FailedPhoto(product_id, image, *outcomes[row])
        start += len(batch)


def _count_photos(count: int, usable: int, failed: Mapping[int, FailedPhoto]) -> PhotoCounts:
    """Numbers of products by what became of their photo, as the manifest records them."""
    reasons = Counter(photo.reason for photo in failed.values())
    unusable = {reason: reasons[reason] for reason in sorted(reasons)}
    return PhotoCounts(usable=usable, absent=count - usable - len(failed), unusable=unusable)
