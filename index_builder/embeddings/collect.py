"""Collects the vectors of a catalogue from the shards of a pool into one file, and the outcomes of its photos."""

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
from artifacts.index_version import TOWER_VECTORS_FILE
from artifacts.manifest import PhotoCounts
from artifacts.photo_entries import columns_as_read, photos_of
from artifacts.popularity import ProductPriors
from index_builder.core.failed_photo import FailedPhoto
from index_builder.core.keys import Keys
from index_builder.core.progress import ProgressReporter
from index_builder.embeddings.identify import Flags, IdentifiedProducts
from index_builder.embeddings.pool import Pool
from index_builder.embeddings.shard import PhotoFailure
from index_builder.embeddings.tower_vectors_file import TowerVectorsFile, reserve
from towers.photos import USABLE
from towers.query_encoder import Vectors

VECTORS_FILE = "vectors.f32"

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
    usable, outcomes = np.zeros(products.count, np.bool_), dict[int, list[PhotoFailure]]()
    is_zero = np.zeros(products.count, np.bool_)
    for rows, shard in pool.shards(pool.find(identified.keys), report):
        content[rows] = shard.vectors
        is_zero[rows] = ~shard.vectors.any(axis=1)
        usable[rows] = pc.equal(shard.photos["outcome"], USABLE).to_numpy()
        outcomes |= {int(rows[place]): shard.photo_failures(place) for place in np.flatnonzero(shard.failures).tolist()}
        if tower_file and shard.tower_vectors is not None:
            tower_file.put(rows, shard.tower_vectors, usable[rows])
    if is_zero.any():
        named = _product_id(products, int(np.argmax(is_zero)))
        report(f"{is_zero.sum():,} products have a vector of zeros, which no query finds, such as {named}")
    failed = dict(_failed_photos(products, outcomes, identified.refused, usable))
    photos = PhotoCounts(usable=0, absent=0)
    if bundle.product.reads_photos:
        photos = _count_photos(usable, failed)
    with_history = _add_history(history, content, products) if history else None
    with_prior = _add_priors(priors, vectors, products) if priors else None
    failures = [photo for row in sorted(failed) for photo in failed[row]]
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


def _failed_photos(
    products: CatalogStream,
    failures: Mapping[int, Sequence[PhotoFailure]],
    refused: Mapping[int, Sequence[FailedPhoto]],
    usable: Flags,
) -> Iterator[tuple[int, list[FailedPhoto]]]:
    """Yield the failed photos of products by row, in the order of the catalogue.

    Args:
        products: the catalogue, from which ids and photos are read.
        failures: what shards have of photos that could not be used, by row.
        refused: photos that were not encoded at all, by row.
        usable: whether a photo of each product was used.
    """
    rows, start = np.array(sorted({*failures, *refused}), np.int64), 0
    for batch in products.batches(["product_id", *columns_as_read(products.schema)]) if len(rows) else ():
        first, after = np.searchsorted(rows, [start, start + len(batch)])
        here = rows[first:after]
        chosen = batch.take(pa.array(here - start))
        named = zip(here.tolist(), chosen.column("product_id").to_pylist(), photos_of(chosen), strict=True)
        for row, product_id, images in named:
            left_out, shard = list(refused.get(row, ())), failures.get(row, ())
            if len(images) == 1 and (usable[row] or shard):  # it was tried since it was refused
                left_out = []
            failed = _named(product_id, images, shard, left_out)
            if failed:
                yield row, [failed[image] for image in images if image in failed]
        start += len(batch)


def _named(
    product_id: str, images: list[str], shard: Sequence[PhotoFailure], left_out: Sequence[FailedPhoto]
) -> dict[str, FailedPhoto]:
    """Return the failed photos of a product by photo; what a shard has of one counts.

    A shard may have a failure without a name, of its only photo, or under that of another file of the same content:
    it is that of the first photo that nothing else is known of.
    """
    names = {failure.image for failure in shard} & {*images}
    failed = {photo.image: photo for photo in left_out if photo.image not in names}
    others = iter([image for image in images if image not in names and image not in failed])
    for failure in shard:
        image = failure.image if failure.image in names else next(others, None)
        if image:
            failed[image] = FailedPhoto(product_id, image, failure.outcome, failure.attempts, failure.tried_at)
    return failed


def _count_photos(usable: Flags, failed: Mapping[int, Sequence[FailedPhoto]]) -> PhotoCounts:
    """Count products by the outcome of their photos, as the manifest records them, and the other failed photos."""
    without = Counter(photos[0].reason for row, photos in failed.items() if not usable[row])
    further = Counter(photo.reason for photos in failed.values() for photo in photos) - without
    absent = len(usable) - int(usable.sum()) - without.total()
    return PhotoCounts(
        usable=int(usable.sum()), absent=absent, unusable=_sorted(without), further_unusable=_sorted(further)
    )


def _sorted(reasons: Counter[str]) -> dict[str, int]:
    return {reason: reasons[reason] for reason in sorted(reasons)}
