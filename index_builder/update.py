"""A version and a file of changes to a new version; only new texts and photos are encoded."""

import datetime
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from pathlib import Path

import numpy as np
import pyarrow as pa

from artifacts.bundle import ModelBundle, open_bundle
from artifacts.catalog import open_catalog
from artifacts.index_version import PRODUCTS_FILE
from artifacts.manifest import ModelIdentity
from artifacts.product_text import check_fields
from artifacts.store import Store
from index_builder.base_version import BaseVersion, open_base_version
from index_builder.changes import CHANGE_COLUMN, Merge, read_changes
from index_builder.core.errors import BuildError
from index_builder.core.failed_photo import FailedPhoto
from index_builder.core.keys import Rows, joined_keys, product_key
from index_builder.core.progress import ProgressReporter
from index_builder.embeddings.embed import EncodingOptions
from index_builder.embeddings.identify import IdentifiedProducts, refused_photos
from index_builder.embeddings.pool import Pool
from index_builder.embeddings.retries import Retries
from index_builder.embeddings.tower_vectors_file import needs_tower_vectors
from index_builder.index.base_index import IndexChanges, plan_after
from index_builder.new_version import BuiltVersion, NewVersion, ProductSource, make_version
from index_builder.photos.photo_identity import PhotoIdentities, ProductPhotos
from index_builder.photos.reasons import are_passing
from index_builder.same_vectors import write_with_vectors_of
from index_builder.version_writer import new_version_id, prepare_version
from index_builder.versions.publish import current_version
from towers.photos import is_url


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
        index_changes: what the index has otherwise than that of the base version.
        encoding: how products are encoded.
        change_column: name of the column of `changes` that says what to do with a product.
    """

    bundle: Path
    changes: Path
    store: Path
    base: str | None = None
    version: str | None = None
    photos: Path | None = None
    index_changes: IndexChanges = field(default_factory=IndexChanges)
    encoding: EncodingOptions = field(default_factory=EncodingOptions)
    change_column: str = CHANGE_COLUMN


def update_version(request: UpdateRequest, report: ProgressReporter = lambda line: None) -> BuiltVersion:
    """Apply changes to a version: the new one is there wholly or not at all, and is not published.

    Where nothing was changed that the model reads, the new version shares all files but products and manifest with
    the base version. Otherwise the index has the type, the centres and the operating point of the base version's
    (`plan_after`).

    A changed product with a photo that is not in the folder of photos keeps its photos if its text and its image
    entries are those of the base version.

    Args:
        request: what to change.
        report: receives a line at each stage.

    Raises:
        ArtifactError: bundle, version or changes cannot be used, or the new version exists.
        BuildError: the folder of photos is none; the base version was built with another model, or has vectors that
            are no longer in the store; or another build with this model is running.
        KnnError: the index cannot be made, trained or filled.
    """
    if request.photos and not request.photos.is_dir():
        raise BuildError(f"--photos is {request.photos}, which is no folder")
    bundle, store = open_bundle(request.bundle), Store(request.store)
    base = open_base_version(store, request.base or current_version(store, "--base"), bundle)
    request.index_changes.request_after(base.manifest.index)  # refuses what is out of range before anything is written
    before = open_catalog(base.path / PRODUCTS_FILE)
    changes = read_changes(request.changes, before.schema, request.change_column)
    fields = bundle.product.fields
    merge = Merge(before, changes, fields, report)
    for note in (*changes.notes, check_fields(base.path / PRODUCTS_FILE, before.schema, fields)):
        if note:
            report(note)
    update = _Update(request, bundle, base, merge, request.photos or request.changes.parent)
    version = request.version or new_version_id(bundle)
    new = NewVersion(
        bundle,
        store,
        version,
        request.encoding,
        with_tower_vectors=base.has_tower_vectors and needs_tower_vectors(bundle),
        with_history=base.has_history,
        words=base.words,
        base=base.version,
    )
    source = ProductSource(
        request.changes,
        before.schema,
        merge.batches,
        update.photos,
        identify=lambda products, pool: update.identify(pool, report),
        prepare=lambda products: prepare_version(
            bundle, products, plan_after(base.index, request.index_changes, products.count, report)
        ),
        reuse=lambda folder, pool: update.reuse_vectors(folder, version, pool, report),
    )
    return make_version(new, source, report)


@dataclass(frozen=True, eq=False)
class _Update:
    """An update whose changes are merged: which vectors its products need, and whether the base version has them all.

    Attributes:
        request: what to change.
        bundle: the model.
        base: the version that is changed.
        merge: the changes; its batches were read.
        photos: folder that paths of photos in the changes are relative to.
    """

    request: UpdateRequest
    bundle: ModelBundle
    base: BaseVersion
    merge: Merge
    photos: Path

    def identify(self, pool: Pool, report: ProgressReporter) -> IdentifiedProducts:
        """Return which vectors the products need; unchanged products keep the vectors that they have.

        Args:
            pool: pool of the model.
            report: receives a line where changed products have photos that cannot be read.

        Raises:
            BuildError: the pool has lost vectors of products that keep theirs.
        """
        identified, kept = self._identified()
        lost = int((pool.find(identified.keys[kept]) < 0).sum())
        if lost:
            raise BuildError(
                f"{lost:,} vectors of version {self.base.version} are no longer in the store; "
                "build the whole catalogue, which encodes their products again"
            )
        unread = sorted(set(identified.refused) - set(kept.tolist()))
        if unread:
            first = identified.refused[unread[0]][0]
            report(
                f"{len(unread):,} changed products have vectors without photos that cannot be "
                f"read in {self.photos}, such as {first.image} of {first.product_id} ({first.reason}); --photos names "
                "another folder"
            )
        return identified

    def reuse_vectors(self, folder: Path, version: str, pool: Pool, report: ProgressReporter) -> bool:
        """Write the new version with the vectors of the base version; False unless all products keep their vectors."""
        if not (self._has_same_products() and self._has_same_vectors(pool)):
            return False
        report("nothing that the model reads was changed: the new version shares the vectors of the base version")
        write_with_vectors_of(self.base, folder, version, report)
        return True

    def _has_same_products(self) -> bool:
        """Return whether model, index, products, texts and image entries are those of the base version."""
        merge, base = self.merge, self.base
        same_order = all((kept[:, 0] == kept[:, 1]).all() for kept in merge.kept) and all(
            changed.row == changed.base_row and changed.same_entry for changed in merge.changed
        )
        return (
            same_order
            and sum(map(len, merge.kept)) + len(merge.changed) == len(base.keys)
            and self.request.index_changes.are_none
            and base.manifest.model == ModelIdentity.of(self.bundle)
        )

    def _has_same_vectors(self, pool: Pool) -> bool:
        """Return whether the photos are those of the base version too, and none that failed is to be tried again.

        Those that failed today wait until tomorrow, or until something is encoded anyway.
        """
        identified, _ = self._identified()
        passing = are_passing(pa.array([failure.reason for failure in self.base.failures], pa.string()))
        failed = {failure.product_id for failure, may_pass in zip(self.base.failures, passing, strict=True) if may_pass}
        retries, keys = Retries(pool.retries_path), self.base.keys[self._base_rows(failed)]
        due = retries.are_due(keys) & ~retries.were_tried_on(keys, datetime.datetime.now(datetime.UTC).date())
        return bool((identified.keys == self.base.keys).all() and not due.any())

    def _base_rows(self, product_ids: Collection[str]) -> Rows:
        """Return the rows of products in the base version, ascending."""
        found, start = list[int](), 0
        for batch in self.merge.base.batches(["product_id"]) if product_ids else ():
            ids = enumerate(batch.column(0).to_pylist(), start)
            found.extend(row for row, product_id in ids if product_id in product_ids)
            start += len(batch)
        return np.array(found, np.int64)

    def _identified(self) -> tuple[IdentifiedProducts, Rows]:
        """Return which vectors the products need, and the rows of those that keep the vector that they have."""
        merge, base = self.merge, self.base
        count = sum(map(len, merge.kept)) + len(merge.changed)
        keys, by_url = np.zeros((count, 2), np.uint64), np.zeros(count, np.bool_)
        rows_now = np.full(len(base.keys), -1, np.int64)  # by row of the base version; -1 where the vector changes
        for kept in merge.kept:
            rows_now[kept[:, 0]] = kept[:, 1]
        refused = dict[int, Sequence[FailedPhoto]]()
        now = datetime.datetime.now(datetime.UTC)
        for product, photos in zip(merge.changed, self._changed_photos(), strict=True):
            if product.base_row is not None and product.same_entry and (photos is None or photos.refused):
                rows_now[product.base_row] = product.row
                continue
            assert photos is not None, "changes that add a product give its entries"
            keys[product.row] = joined_keys([product_key(product.text, photos.content)])
            by_url[product.row] = self.bundle.product.reads_photos and any(map(is_url, product.photos))
            if photos.refused:
                refused[product.row] = refused_photos(product.product_id, photos, now)
        stay = rows_now >= 0
        keys[rows_now[stay]] = base.keys[stay]
        return IdentifiedProducts(keys, refused | self._failures_before(rows_now), by_url), rows_now[stay]

    def _changed_photos(self) -> list[ProductPhotos] | list[None]:
        """Return the identities of the changed products' photos, or None where the changes cannot have changed them."""
        changed = self.merge.changed
        if not self.merge.changes.give_entries(self.bundle.product.fields):
            return [None] * len(changed)
        if not self.bundle.product.reads_photos:
            return [ProductPhotos()] * len(changed)
        return PhotoIdentities(self.photos).of_products([product.photos for product in changed])

    def _failures_before(self, rows_now: Rows) -> dict[int, Sequence[FailedPhoto]]:
        """Return the failed photos in files of products that keep the vector that they have, by row of the new version.

        Those on the web are in the pool, which may have tried them again.
        """
        failures = [failure for failure in self.base.failures if not is_url(failure.image)]  # by row
        of_products = [tuple(group) for _, group in groupby(failures, key=attrgetter("product_id"))]
        rows = rows_now[self._base_rows({failure.product_id for failure in failures})].tolist()
        return {row: failed for row, failed in zip(rows, of_products, strict=True) if row >= 0}
