"""Collects the vectors of a catalogue from the shards of a pool into one file, and the outcomes of its photos."""

import datetime
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from artifacts.bundle import ModelBundle
from artifacts.catalog import CatalogStream
from artifacts.history import ProductHistory
from artifacts.index_version import TOWER_VECTORS_FILE, PhotoCounts
from artifacts.popularity import ProductPriors
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

_Outcome = tuple[str, int, datetime.datetime]  # values of PHOTO_COLUMNS
MappedVectors = np.memmap[Any, np.dtype[np.float32]]


@dataclass(frozen=True, eq=False)
class EmbeddedProducts:
    """The vectors of a catalogue.

    Attributes:
        vectors: (count, width) float32 of unit length, memory-mapped; row i is the catalogue's row i.
        keys: (count, 2), of which text and photo each vector was made.
        photos: number of products by outcome of their photo; all zero for a model that reads no photos.
        failures: photos that could not be used, in the catalogue's order.
        with_history: number of products with a history in their vectors; None where none was added.
        with_prior: number of products whose popularity is known; None where the model has no prior.
    """

    vectors: Vectors
    keys: Keys
    photos: PhotoCounts
    failures: Sequence[FailedPhoto]
    with_history: int | None = None
    with_prior: int | None = None


def collect(
    pool: Pool,
    bundle: ModelBundle,
    products: CatalogStream,
    identified: IdentifiedProducts,
    folder: Path,
    report: ProgressReporter,
    history: ProductHistory | None = None,
    priors: ProductPriors | None = None,
) -> EmbeddedProducts:
    """Collect vectors and photo outcomes of products, all of which the pool has.

    Args:
        pool: pool that has the vectors.
        bundle: model that made the vectors.
        products: products to collect.
        identified: which vectors the products need.
        folder: folder for VECTORS_FILE and, where the pool has tower vectors, TOWER_VECTORS_FILE.
        report: receives a line for each damaged shard, and on products whose vector is zero.
        history: history to add to the vectors. Those of the pool are without, so that equal products share one.
        priors: popularity of products, which is added last; those of the pool are without, too.
    """
    vectors = _new_vectors(folder / VECTORS_FILE, products.count, bundle.card.width)
    content = vectors[:, : bundle.product.width]
    tower_file = (
        TowerVectorsFile(folder / TOWER_VECTORS_FILE, bundle, products.count) if pool.with_tower_vectors else None
    )
    usable, outcomes = np.zeros(products.count, np.bool_), dict[int, _Outcome]()
    is_zero = np.zeros(products.count, np.bool_)
    for rows, shard in pool.shards(pool.find(identified.keys), report):
        content[rows] = shard.vectors
        is_zero[rows] = ~shard.vectors.any(axis=1)
        usable[rows] = pc.equal(shard.photos["outcome"], USABLE).to_numpy()
        outcomes.update(_failed_outcomes(rows, shard))
        if tower_file and shard.tower_vectors is not None:
            tower_file.put(rows, shard.tower_vectors, usable[rows])
    if is_zero.any():
        named = _product_id(products, int(np.argmax(is_zero)))
        report(f"{is_zero.sum():,} products have a vector of zeros, which no query finds, such as {named}")
    failed = dict(_failed_photos(products, outcomes))
    failed |= {row: photo for row, photo in identified.refused.items() if not usable[row] and row not in failed}
    photos = PhotoCounts(usable=0, absent=0)
    if bundle.product.reads_photos:
        photos = _count_photos(products.count, int(usable.sum()), failed)
    with_history = _add_history(history, content, products) if history else None
    with_prior = _add_priors(priors, vectors, products) if priors else None
    failures = [failed[row] for row in sorted(failed)]
    return EmbeddedProducts(vectors, identified.keys, photos, failures, with_history, with_prior)


def _add_history(history: ProductHistory, content: Vectors, products: CatalogStream) -> int:
    """Add the history of products that have one to their vectors, in place; return their number."""
    count = 0
    for rows, product_ids in _blocks(products):
        places = history.places(product_ids)
        content[rows] = history.move(content[rows], places)
        count += int((places >= 0).sum())
    return count


def _add_priors(priors: ProductPriors, vectors: MappedVectors, products: CatalogStream) -> int:
    """Add the popularity of products to vectors of their content, in place; return of how many it is known."""
    count = 0
    for rows, product_ids in _blocks(products):
        places = priors.rows(product_ids)
        vectors[rows] = priors.columns.products(vectors[rows, : priors.columns.content], priors.of(places))
        count += int((places >= 0).sum())
    return count


def _blocks(products: CatalogStream) -> Iterator[tuple[slice, pa.Array]]:
    """Yield the ids of the products a batch at a time, with their rows."""
    start = 0
    for batch in products.batches(["product_id"]):
        yield slice(start, start + len(batch)), batch.column(0)
        start += len(batch)


def _product_id(products: CatalogStream, row: int) -> str:
    """Return the id of the product in a row."""
    for batch in products.batches(["product_id"]):
        if row < len(batch):
            break
        row -= len(batch)
    return str(batch.column(0)[row].as_py())


def _new_vectors(path: Path, count: int, width: int) -> MappedVectors:
    """Return an array on disk, (count, width). A full disk is an error here, not a bus error while writing."""
    with path.open("wb") as file:
        reserve(file, count * width * np.dtype(np.float32).itemsize)
    return np.memmap(path, dtype=np.float32, mode="r+", shape=(count, width))


def _failed_outcomes(rows: Rows, shard: Shard) -> Iterator[tuple[int, _Outcome]]:
    """Yield rows of the catalogue whose photo could not be used, with the outcome that the shard records."""
    failed = shard.taken(np.flatnonzero(shard.failed)).photos
    columns = (failed[name].to_pylist() for name in PHOTO_COLUMNS)
    yield from zip(rows[shard.failed].tolist(), zip(*columns, strict=True), strict=True)


def _failed_photos(products: CatalogStream, outcomes: Mapping[int, _Outcome]) -> Iterator[tuple[int, FailedPhoto]]:
    """Yield failed photos by row; product ids and images are read from the catalogue."""
    rows, start = np.sort(np.array(list(outcomes), np.int64)), 0
    for batch in products.batches(["product_id", "image"]) if outcomes else ():
        first, after = np.searchsorted(rows, [start, start + len(batch)])
        for row in rows[first:after].tolist():
            product_id, image = (column[row - start].as_py() for column in batch.columns)
            yield row, FailedPhoto(product_id, image, *outcomes[row])
        start += len(batch)


def _count_photos(count: int, usable: int, failed: Mapping[int, FailedPhoto]) -> PhotoCounts:
    """Count products by the outcome of their photo, as the manifest records them."""
    reasons = Counter(photo.reason for photo in failed.values())
    unusable = {reason: reasons[reason] for reason in sorted(reasons)}
    return PhotoCounts(usable=usable, absent=count - usable - len(failed), unusable=unusable)
