"""What differs between two versions: their products, and the expected answers to their canary queries.

Products are compared by hashes of their values, computed a batch at a time, so that millions of them cost 32 bytes each
and never a table in memory.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from artifacts.canaries import CANARY_DEPTH, overlap
from artifacts.catalog import CATALOG_COLUMNS, CatalogStream, open_catalog
from artifacts.index_version import PRODUCTS_FILE
from artifacts.manifest import Manifest, read_manifest
from artifacts.photo_entries import MORE_IMAGES
from artifacts.store import Store

EXAMPLES = 5

Hashes = npt.NDArray[np.int64]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Examples:
    """The number of some products, and the ids of the first ones by row."""

    count: int
    product_ids: tuple[str, ...]


@dataclass(frozen=True)
class AnswerOverlap:
    """How far two versions agree on the answers to the canary queries that both have.

    Attributes:
        queries: number of canary queries that both have.
        mean: mean share of the old version's expected products that the new version expects too; None without a query.
    """

    queries: int
    mean: float | None


@dataclass(frozen=True)
class VersionDiff:
    """The differences of a new version from an old one."""

    old: Manifest
    new: Manifest
    added: Examples
    removed: Examples
    changed: Examples  # products that differ in title, image or attributes
    changed_titles: int
    changed_images: int
    changed_attributes: int
    answers: AnswerOverlap


@dataclass(frozen=True, eq=False)
class _Products:
    """Hashes of a version's products by row: (count,) of ids, and (count, 3) of title, image and attributes."""

    catalog: CatalogStream
    ids: Hashes
    values: Hashes


def diff_versions(store: Store, old: str, new: str) -> VersionDiff:
    """Compare two versions of a store. Manifests and products are read; files are not verified.

    Raises:
        StoreError: the store lacks one of them.
        DamagedError: a manifest or a file of products cannot be read.
        FormatError: a file is not what this version of Vitrine reads.
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
    """Return a comparison as lines of text."""
    old, new = diff.old, diff.new
    lines = [f"{old.version} -> {new.version}: {old.count:,} -> {new.count:,} products"]
    if old.model.fingerprint != new.model.fingerprint:
        names = [f"{manifest.model.name} ({manifest.model.fingerprint[:12]})" for manifest in (old, new)]
        lines.append(f"models differ: {names[0]} -> {names[1]}")
    kinds = {"titles": diff.changed_titles, "photos": diff.changed_images, "attributes": diff.changed_attributes}
    by_kind = ", ".join(f"{count:,} {kind}" for kind, count in kinds.items())
    lines.append(_describe_examples("added", diff.added))
    lines.append(_describe_examples("removed", diff.removed))
    lines.append(_describe_examples("changed", diff.changed, f" ({by_kind})"))
    if diff.answers.mean is None:
        lines.append("canaries: the versions have no query in common")
    else:
        lines.append(
            f"canaries: {diff.answers.queries} queries in common, {diff.answers.mean:.1%} of the answers agree"
        )
    return "\n".join(lines)


def _read_products(path: Path) -> _Products:
    catalog = open_catalog(path)
    ids, values = [np.empty(0, np.int64)], [np.empty((0, 3), np.int64)]
    for batch in catalog.batches():
        rows = batch.to_pylist()
        ids.append(np.array([hash(row["product_id"]) for row in rows], np.int64))
        values.append(np.array([_hash_values(row) for row in rows], np.int64))
    return _Products(catalog, np.concatenate(ids), np.concatenate(values))


def _hash_values(product: dict[str, object]) -> tuple[int, int, int]:
    """Return hashes of title, photos and attributes, which are equal for equal values within this process.

    The text of a value is hashed, not the value: -1 and -2 have the same hash, and 1, 1.0 and True are equal although
    answers show them differently. An attribute without a value counts as absent.
    """
    photos = product["image"], product.get(MORE_IMAGES)
    attributes = [(name, product[name]) for name in sorted(product.keys() - {*CATALOG_COLUMNS, MORE_IMAGES})]
    present = [(name, value) for name, value in attributes if value is not None]
    return hash(repr(product["title"])), hash(repr(photos)), hash(repr(present))


def _others(rows: Rows, count: int) -> Rows:
    """Return the rows from 0 to `count` that are not among these, ascending."""
    others = np.ones(count, np.bool_)
    others[rows] = False
    return np.flatnonzero(others)


def _examples(products: _Products, rows: Rows) -> Examples:
    wanted, start, found = rows[:EXAMPLES], 0, list[str]()
    for batch in products.catalog.batches(["product_id"]):
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
