"""What differs between two versions: their products, and the answers to their canary queries.

Products are compared by fingerprints of their values, made a batch at a time, so that millions of them cost 32
bytes each and never a table in memory.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from artifacts.canaries import CANARY_DEPTH, overlap
from artifacts.catalog import CATALOG_COLUMNS
from artifacts.errors import DamagedError
from artifacts.index_version import PRODUCTS_FILE, Manifest, read_manifest
from artifacts.store import Store
from artifacts.tables import check_columns, read_schema

EXAMPLES = 5
_BATCH_ROWS = 16_384

Fingerprints = npt.NDArray[np.int64]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Examples:
    """Some products: how many, and the ids of the first ones by row."""

    count: int
    product_ids: tuple[str, ...]


@dataclass(frozen=True)
class AnswerOverlap:
    """What two versions expect of the canary queries that they have in common.

    Attributes:
        queries: how many they have in common.
        mean: share of the products that the old version expects and the new one too; None without a query.
    """

    queries: int
    mean: float | None


@dataclass(frozen=True)
class VersionDiff:
    """What is otherwise in the new version than in the old one."""

    old: Manifest
    new: Manifest
    added: Examples
    removed: Examples
    changed: Examples  # in any of the following
    changed_titles: int
    changed_images: int
    changed_attributes: int
    answers: AnswerOverlap


@dataclass(frozen=True, eq=False)
class _Products:
    """Fingerprints of a version's products by row. Shapes: (count,), and (count, 3) of title, image, attributes."""

    path: Path
    ids: Fingerprints
    values: Fingerprints


def diff_versions(store: Store, old: str, new: str) -> VersionDiff:
    """Compare two versions of a store. Manifests and products are read; files are not verified.

    Raises:
        StoreError: the store lacks one of them.
        DamagedError: a manifest or a file of products cannot be read.
        FormatError: it is not what this version of Vitrine reads.
    """
    manifests = [read_manifest(store.version_path(version)) for version in (old, new)]
    before, after = (_read_products(store.version_path(version) / PRODUCTS_FILE) for version in (old, new))
    _, rows_before, rows_after = np.intersect1d(before.ids, after.ids, assume_unique=True, return_indices=True)
    differs = before.values[rows_before] != after.values[rows_after]  # (common, 3)
    titles, images, attributes = differs.sum(axis=0).tolist()
    return VersionDiff(
        old=manifests[0],
        new=manifests[1],
        added=_examples(after, _others(rows_after, len(after.ids))),
        removed=_examples(before, _others(rows_before, len(before.ids))),
        changed=_examples(after, np.sort(rows_after[differs.any(axis=1)])),
        changed_titles=titles,
        changed_images=images,
        changed_attributes=attributes,
        answers=_compare_answers(*manifests),
    )


def describe_diff(diff: VersionDiff) -> str:
    """A comparison line by line."""
    old, new = diff.old, diff.new
    lines = [f"{old.version} -> {new.version}: {old.count:,} -> {new.count:,} products"]
    if old.model.fingerprint != new.model.fingerprint:
        names = [f"{manifest.model.name} ({manifest.model.fingerprint[:12]})" for manifest in (old, new)]
        lines.append(f"another model: {names[0]} -> {names[1]}")
    kinds = {"titles": diff.changed_titles, "photos": diff.changed_images, "attributes": diff.changed_attributes}
    told = ", ".join(f"{count:,} {kind}" for kind, count in kinds.items())
    lines.append(_describe_examples("added", diff.added))
    lines.append(_describe_examples("removed", diff.removed))
    lines.append(_describe_examples("changed", diff.changed, f" ({told})"))
    if diff.answers.mean is None:
        lines.append("canaries: no query in common")
    else:
        lines.append(
            f"canaries: {diff.answers.queries} queries in common, {diff.answers.mean:.1%} of the answers agree"
        )
    return "\n".join(lines)


def _read_products(path: Path) -> _Products:
    check_columns(path, read_schema(path), CATALOG_COLUMNS)
    ids, values = [np.empty(0, np.int64)], [np.empty((0, 3), np.int64)]
    for batch in _batches(path, None):
        rows = batch.to_pylist()
        ids.append(np.array([hash(row["product_id"]) for row in rows], np.int64))
        values.append(np.array([_fingerprints(row) for row in rows], np.int64))
    return _Products(path, np.concatenate(ids), np.concatenate(values))


def _fingerprints(product: dict[str, object]) -> tuple[int, int, int]:
    """Of title, image and attributes, equal for equal values within this process.

    The text of a value is hashed and not the value: -1 and -2 have one hash, and 1, 1.0 and True, which answers
    show differently, are equal. An attribute without a value is as good as absent.
    """
    attributes = [(name, product[name]) for name in sorted(product.keys() - CATALOG_COLUMNS.keys())]
    told = [(name, value) for name, value in attributes if value is not None]
    return hash(repr(product["title"])), hash(repr(product["image"])), hash(repr(told))


def _batches(path: Path, columns: list[str] | None) -> Iterator[pa.RecordBatch]:
    try:
        with pq.ParquetFile(path) as file:
            yield from file.iter_batches(_BATCH_ROWS, columns=columns)
    except (pa.ArrowException, OSError) as error:
        raise DamagedError(f"{path} cannot be read: {error}") from error


def _others(rows: Rows, count: int) -> Rows:
    """The rows that are not among these, ascending."""
    others = np.ones(count, np.bool_)
    others[rows] = False
    return np.flatnonzero(others)


def _examples(products: _Products, rows: Rows) -> Examples:
    wanted, start, found = rows[:EXAMPLES], 0, list[str]()
    for batch in _batches(products.path, ["product_id"]):
        if len(found) == len(wanted):
            break
        here = wanted[(wanted >= start) & (wanted < start + len(batch))]
        found.extend(batch.column(0).take(pa.array(here - start)).to_pylist())
        start += len(batch)
    return Examples(len(rows), tuple(found))


def _compare_answers(old: Manifest, new: Manifest) -> AnswerOverlap:
    answers = {canary.query: canary.product_ids[:CANARY_DEPTH] for canary in new.canaries}
    overlaps = [
        overlap(canary.product_ids[:CANARY_DEPTH], answers[canary.query])
        for canary in old.canaries
        if canary.query in answers and canary.product_ids
    ]
    return AnswerOverlap(len(overlaps), sum(overlaps) / len(overlaps) if overlaps else None)


def _describe_examples(what: str, examples: Examples, more: str = "") -> str:
    named = ", ".join(examples.product_ids)
    rest = ", ..." if examples.count > len(examples.product_ids) else ""
    return f"{what:<8} {examples.count:,}{more if examples.count else ''}{f': {named}{rest}' if named else ''}"
