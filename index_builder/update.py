"""A version and a file of changes to a new version; only new titles and photos are encoded."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from artifacts.bundle import ModelBundle, open_bundle
from artifacts.catalog import open_catalog
from artifacts.checksums import verify_files
from artifacts.index_version import FAILURES_FILE, KEYS_FILE, PRODUCTS_FILE, TOWER_VECTORS_FILE, Manifest, read_manifest
from artifacts.store import Store
from index_builder.changes import Merge, read_changes
from index_builder.core.errors import BuildError
from index_builder.core.failed_photo import FailedPhoto
from index_builder.core.keys import NO_PHOTO, Keys, Rows, joined_keys, product_key
from index_builder.core.progress import ProgressReporter
from index_builder.embeddings.embed import EncodingOptions
from index_builder.embeddings.identify import IdentifiedProducts
from index_builder.embeddings.pool import Pool
from index_builder.embeddings.tower_vectors_file import needs_tower_vectors
from index_builder.index.indexing import IndexRequest
from index_builder.new_version import BuiltVersion, NewVersion, ProductSource, make_version
from index_builder.photos.photo_identity import PhotoIdentities, PhotoIdentity
from index_builder.version_writer import new_version_id, prepare_version
from index_builder.versions.ledger import version_failures
from index_builder.versions.publish import current_version
from towers.photos import ABSENT, is_url


@dataclass(frozen=True)
class UpdateRequest:
    """What to change and where to put it.

    Attributes:
        bundle: folder of the model bundle that the base version was built with.
        changes: file of changes; see index_builder/changes.py.
        store: folder of the store.
        base: id of the version to change; None for the published one.
        version: id of the new version; None for an id made of the time and the model.
        photos: folder that paths of photos in the changes are relative to; None for the folder of the file of changes.
        index_request: which index to build.
        encoding: how products are encoded.
    """

    bundle: Path
    changes: Path
    store: Path
    base: str | None = None
    version: str | None = None
    photos: Path | None = None
    index_request: IndexRequest = field(default_factory=IndexRequest)
    encoding: EncodingOptions = field(default_factory=EncodingOptions)


@dataclass(frozen=True, eq=False)
class _Base:
    """The version that is changed.

    Attributes:
        version: id of the version.
        path: folder of the version.
        keys: (count, 2), of which title and photo each vector was made.
        failures: photos that could not be used.
        has_tower_vectors: whether it keeps the vectors of the towers; the new version does as it does.
        has_history: whether the history of products is in its vectors; the new version does as it does.
    """

    version: str
    path: Path
    keys: Keys
    failures: Sequence[FailedPhoto]
    has_tower_vectors: bool
    has_history: bool


def update_version(request: UpdateRequest, report: ProgressReporter = lambda line: None) -> BuiltVersion:
    """Apply changes to a version: the new one is there wholly or not at all, and is not published.

    A changed product whose photo is not in the folder of photos keeps its photo if its title and its image entry are
    those of the base version.

    Args:
        request: what to change.
        report: receives a line at each stage.

    Raises:
        ArtifactError: bundle, version or changes cannot be used, or the new version exists.
        BuildError: the base version was built with another model, or has vectors that are no longer in the store; or
            another build with this model is running.
        KnnError: the index cannot be made, trained or filled.
    """
    bundle, store = open_bundle(request.bundle), Store(request.store)
    base = _open_base(store, request.base or current_version(store), bundle)
    before = open_catalog(base.path / PRODUCTS_FILE)
    merge = Merge(before, read_changes(request.changes, before.schema), report)
    for note in merge.changes.notes:
        report(note)
    photos = request.photos or request.changes.parent
    new = NewVersion(
        bundle,
        store,
        request.version or new_version_id(bundle),
        request.encoding,
        with_tower_vectors=base.has_tower_vectors and needs_tower_vectors(bundle),
        with_history=base.has_history,
        base=base.version,
    )
    source = ProductSource(
        request.changes,
        before.schema,
        merge.batches,
        photos,
        identify=lambda products, pool: _identify(merge, base, bundle, pool, photos),
        prepare=lambda products: prepare_version(bundle, products, request.index_request),
    )
    return make_version(new, source, report)


def _open_base(store: Store, version: str, bundle: ModelBundle) -> _Base:
    """Open the version that is changed, and verify those of its files that are read."""
    path = store.version_path(version)
    manifest = read_manifest(path)
    _check_model(manifest, bundle)
    if KEYS_FILE not in manifest.files:
        raise BuildError(f"version {version} was built before versions could be updated; build it once again")
    verify_files(path, {name: manifest.files[name] for name in (PRODUCTS_FILE, KEYS_FILE)})
    keys = np.load(path / KEYS_FILE, allow_pickle=False)
    failures = version_failures(store, version) if FAILURES_FILE in manifest.files else []
    has_history = manifest.with_history is not None
    return _Base(version, path, keys, failures, TOWER_VECTORS_FILE in manifest.files, has_history)


def _check_model(manifest: Manifest, bundle: ModelBundle) -> None:
    if manifest.model.product_fingerprint != bundle.product_fingerprint:
        raise BuildError(
            f"version {manifest.version} was built with another model than {bundle.path} (product side "
            f"{manifest.model.product_fingerprint[:12]}, not {bundle.product_fingerprint[:12]}); update it with its "
            "own, or build the whole catalogue with this one"
        )


def _identify(merge: Merge, base: _Base, bundle: ModelBundle, pool: Pool, photos: Path) -> IdentifiedProducts:
    """Return which vectors the products of the new version need; unchanged products keep the vectors that they have."""
    count = sum(map(len, merge.kept)) + len(merge.changed)
    keys, by_url = np.zeros((count, 2), np.uint64), np.zeros(count, np.bool_)
    rows_now = np.full(
        len(base.keys), -1, np.int64
    )  # by row of the base version; -1 where a product gets another vector
    for kept in merge.kept:
        rows_now[kept[:, 0]] = kept[:, 1]
    refused = dict[int, FailedPhoto]()
    products, identities = _changed_products(merge, bundle, photos)
    now = datetime.datetime.now(datetime.UTC)
    for changed, product, photo in zip(merge.changed, products, identities, strict=True):
        row, is_refused = changed.row, photo.reason not in (None, ABSENT)
        if is_refused and changed.same_entry and changed.base_row is not None:
            rows_now[changed.base_row] = row
            continue
        keys[row] = joined_keys([product_key(product["title"] or "", photo.content)])
        by_url[row] = bundle.product.reads_photos and is_url(product["image"] or "")
        if is_refused:
            refused[row] = FailedPhoto(product["product_id"], product["image"], str(photo.reason), 1, now)
    stay = rows_now >= 0
    keys[rows_now[stay]] = base.keys[stay]
    _check_kept(keys[rows_now[stay]], pool, base)
    return IdentifiedProducts(keys, refused | _failures_before(merge, base, rows_now), by_url)


def _changed_products(
    merge: Merge, bundle: ModelBundle, photos: Path
) -> tuple[list[dict[str, Any]], list[PhotoIdentity]]:
    """Return id, title and image of the products whose rows come from the changes, and their photos' identities."""
    rows = pa.array([row.upsert for row in merge.changed], pa.int64())
    products: list[dict[str, Any]] = (
        merge.changes.upserts.select(["product_id", "title", "image"]).take(rows).to_pylist()
    )
    if not bundle.product.reads_photos:
        return products, [PhotoIdentity(NO_PHOTO, ABSENT)] * len(products)
    return products, PhotoIdentities(photos).of([product["image"] for product in products])


def _failures_before(merge: Merge, base: _Base, rows_now: Rows) -> dict[int, FailedPhoto]:
    """Return the failed photos in files of products that keep the vector that they have, by row of the new version.

    Those on the web are in the pool, which may have tried them again.
    """
    failures = {failure.product_id: failure for failure in base.failures if not is_url(failure.image)}
    found, start = dict[int, FailedPhoto](), 0
    for batch in merge.base.batches(["product_id"]) if failures else ():
        for base_row, product_id in enumerate(batch.column(0).to_pylist(), start):
            if product_id in failures and rows_now[base_row] >= 0:
                found[int(rows_now[base_row])] = failures[product_id]
        start += len(batch)
    return found


def _check_kept(keys: Keys, pool: Pool, base: _Base) -> None:
    lost = int((pool.find(keys) < 0).sum())
    if lost:
        raise BuildError(
            f"{lost:,} vectors of version {base.version} are no longer in the store; "
            "build the whole catalogue, which encodes their products again"
        )
