"""Files of changes: which products of a version are replaced, added and removed.

A file of changes is Parquet: product_id (unique), `change` ("upsert" or "delete"), and columns of the version's
products. An upsert replaces the values of a product in these columns, or adds a product, for which the file must have
all columns; a delete needs only the id. Where products have a column `change` themselves, another one says what to do.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from artifacts.catalog import CATALOG_COLUMNS, CatalogStream, check_ids_are_given, notes_on_ids
from artifacts.errors import FormatError
from artifacts.photo_entries import (
    MORE_IMAGES,
    MORE_IMAGES_TYPE,
    columns_as_read,
    photo_columns,
    photo_types,
    photos_of,
    split_photos,
)
from artifacts.product_text import product_texts
from artifacts.tables import read_schema, read_table
from index_builder.core.keys import Rows
from index_builder.core.progress import ProgressReporter

UPSERT, DELETE = "upsert", "delete"
CHANGE_COLUMN = "change"


@dataclass(frozen=True, eq=False)
class Changes:
    """The content of a file of changes.

    Attributes:
        path: the file.
        upserts: products to replace or add, with product_id and some or all other columns of the version.
        deletes: ids of the products to remove.
        notes: what was converted, a sentence each.
    """

    path: Path
    upserts: pa.Table
    deletes: frozenset[str]
    notes: tuple[str, ...] = ()

    def give_entries(self, fields: Sequence[str]) -> bool:
        """Return whether they have what a model with these fields reads: titles, image entries or fields."""
        return not {"title", "image", *fields}.isdisjoint(self.upserts.column_names)


@dataclass(frozen=True)
class ChangedRow:
    """A product of the new version whose row comes from the changes.

    Attributes:
        row: row in the new version.
        product_id: its id.
        text: what the model reads of it: its title, and its fields.
        photos: its image entries.
        base_row: row in the base version; None for a new product.
        same_entry: whether text and image entries are the same in the base version.
    """

    row: int
    product_id: str
    text: str
    photos: tuple[str, ...]
    base_row: int | None = None
    same_entry: bool = False


@dataclass(eq=False)
class Merge:
    """The products of a version with changes applied: each keeps its place, and new ones are appended.

    Attributes:
        base: products of the base version.
        changes: changes to apply.
        fields: columns that the model reads after the title.
        report: receives a line where products are to be deleted that the base version does not have.
        kept: rows of unchanged products in `base` and in the new version, (n, 2) for each batch; filled by `batches`.
        changed: rows that come from the changes; filled by `batches`.
    """

    base: CatalogStream
    changes: Changes
    fields: Sequence[str] = ()
    report: ProgressReporter = lambda line: None
    kept: list[Rows] = field(default_factory=list)
    changed: list[ChangedRow] = field(default_factory=list)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the products of the new version; call it once.

        A delete of a product that the base version does not have changes nothing: an earlier update may have done it.

        Raises:
            FormatError: the changes add a product, but lack a column that products have; or they leave no product.
        """
        upserts = {key: row for row, key in enumerate(self.changes.upserts["product_id"].to_pylist())}
        deletes, row, base_row = set(self.changes.deletes), 0, 0
        for batch in self.base.batches():
            ids = batch.column("product_id").to_pylist()
            left = [place for place, key in enumerate(ids) if key not in deletes]
            deletes.difference_update(ids)
            found = {place: upserts.pop(ids[place]) for place in left if ids[place] in upserts}
            yield from self._merge(batch, left, found, row, base_row)
            row, base_row = row + len(left), base_row + len(batch)
        if deletes:
            self.report(
                f"{self.changes.path}: {len(deletes):,} of {len(self.changes.deletes):,} products to delete are not in "
                f"the version, such as {min(deletes)}"
            )
        added = sorted(upserts.values())
        if not added and not row:
            raise FormatError(f"{self.changes.path} deletes all {base_row:,} products of the version; one must be left")
        if not added:
            return
        self._check_complete(str(self.changes.upserts["product_id"][added[0]]), len(added))
        new = self.changes.upserts.take(pa.array(added, pa.int64()))
        self.changed.extend(ChangedRow(row + place, *entry) for place, entry in enumerate(self._entries(new)))
        yield from new.to_batches()

    def _merge(
        self, batch: pa.RecordBatch, left: list[int], found: dict[int, int], row: int, base_row: int
    ) -> list[pa.RecordBatch]:
        """Return a batch without deleted products and with replaced rows; nothing if all were deleted."""
        new = self._whole_rows(batch, found)
        source = {place: len(batch) + number for number, place in enumerate(found)}
        both = pa.concat_tables([pa.Table.from_batches([batch]), new])
        places = pa.array(list(found), pa.int64())
        entries = zip(found, self._entries(new), self._entries(batch.take(places)), strict=True)
        now_at = {place: row + now for now, place in enumerate(left)}
        self.changed.extend(
            ChangedRow(now_at[place], *entry, base_row + place, entry == before) for place, entry, before in entries
        )
        kept = [(base_row + place, row + now) for now, place in enumerate(left) if place not in found]
        self.kept.append(np.array(kept, np.int64).reshape(-1, 2))
        merged = both.take(pa.array([source.get(place, place) for place in left], pa.int64()))
        batches: list[pa.RecordBatch] = merged.combine_chunks().to_batches()
        return batches

    def _whole_rows(self, batch: pa.RecordBatch, found: dict[int, int]) -> pa.Table:
        """Return the upserts for these places of a batch; columns that the changes lack keep their values."""
        given = self.changes.upserts.take(pa.array(list(found.values()), pa.int64())).combine_chunks()
        before = batch.take(pa.array(list(found), pa.int64()))
        columns = [(given if name in given.column_names else before)[name] for name in batch.schema.names]
        return pa.Table.from_arrays(columns, schema=batch.schema)

    def _check_complete(self, product_id: str, count: int) -> None:
        """Check that the changes have all columns of the products that they add."""
        lacking = [name for name in self.base.schema.names if name not in self.changes.upserts.column_names]
        if lacking:
            raise FormatError(
                f"{self.changes.path} has no column {', '.join(lacking)}, but {count:,} of its products are new, such "
                f"as {product_id}: leave these out, or give all columns"
            )

    def _entries(self, products: pa.Table | pa.RecordBatch) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        """Yield id, text and image entries of each product."""
        ids, photos = products.column("product_id").to_pylist(), map(tuple, photos_of(products))
        return zip(ids, product_texts(products, self.fields), photos, strict=True)


def read_changes(path: Path, base: pa.Schema, change_column: str = CHANGE_COLUMN) -> Changes:
    """Read and check a file of changes.

    Args:
        path: the file.
        base: columns of the products of the base version.
        change_column: name of the column that says whether a row is an upsert or a delete.

    Raises:
        DamagedError: the file is missing or no Parquet.
        FormatError: the products lack a column of the file, or have it with another type; a change is neither an
            upsert nor a delete; or a product occurs twice.
    """
    if change_column in base.names:
        raise FormatError(
            f"{path}: the products of the version have a column {change_column} themselves; give the column that says "
            f"{UPSERT!r} or {DELETE!r} another name, and name it with --change-column"
        )
    schema = read_schema(path)
    given = {name: kind for name, kind in CATALOG_COLUMNS.items() if name in schema.names}
    photos = photo_types(path, schema) if "image" in schema.names else {}
    table = read_table(path, {"product_id": pa.string(), change_column: pa.string()} | given | photos)
    ids, kinds = table["product_id"], table[change_column]
    check_ids_are_given(path, ids)
    counts = pc.value_counts(ids)
    repeated = counts.filter(pc.greater(counts.field("counts"), 1)).field("values")
    if len(repeated):
        raise FormatError(f"{path}: {len(repeated)} product ids occur more than once, such as {repeated[0]}")
    unknown = sorted(set(map(str, pc.unique(kinds).to_pylist())) - {UPSERT, DELETE})
    if unknown:
        raise FormatError(f"{path}: {change_column} is {unknown[0]!r}, expected {UPSERT!r} or {DELETE!r}")
    upserts = table.filter(pc.equal(kinds, UPSERT)).drop_columns([change_column])
    deletes = frozenset(ids.filter(pc.equal(kinds, DELETE)).to_pylist())
    rows = _in_columns_of(upserts, base, path) if len(upserts) else base.empty_table()
    return Changes(path, rows, deletes, notes_on_ids({path: schema}))


def _in_columns_of(upserts: pa.Table, base: pa.Schema, path: Path) -> pa.Table:
    """Return upserts with the types and the order of the products' columns, and photos as products have them."""
    upserts = _with_photos_as_read(upserts, base, path)
    unknown = sorted(set(upserts.column_names) - set(base.names))
    if unknown:
        raise FormatError(
            f"{path} has the column{'s' * (len(unknown) > 1)} {', '.join(unknown)}, which the products of the version "
            "have not; build the whole catalogue to add columns"
        )
    schema = pa.schema([column for column in base if column.name in upserts.column_names])
    try:
        return upserts.select(schema.names).cast(schema)
    except (pa.ArrowException, ValueError) as error:
        raise FormatError(
            f"{path}: its columns are of other types than the products of the version: {error}"
        ) from error


def _with_photos_as_read(upserts: pa.Table, base: pa.Schema, path: Path) -> pa.Table:
    """Return upserts with the first photo of each product as `image`, and the others beside it.

    A file that gives the first photo alone gives products that have no other.
    """
    if "image" not in upserts.column_names:
        if MORE_IMAGES in columns_as_read(base) and MORE_IMAGES in upserts.column_names:
            raise FormatError(f"{path} has the column {MORE_IMAGES} but no column image; give all photos of a product")
        return upserts
    columns = photo_columns(upserts.schema)
    (rows,) = upserts.combine_chunks().to_batches()  # there is one, see `read_changes`
    read = split_photos(rows, columns)
    if MORE_IMAGES in columns_as_read(base):
        read.setdefault(MORE_IMAGES, pa.nulls(len(upserts), MORE_IMAGES_TYPE))
    elif MORE_IMAGES in read and read[MORE_IMAGES].null_count == len(upserts):
        del read[MORE_IMAGES]  # lists of one photo each, of products that have one each
    others = {name: upserts[name] for name in upserts.column_names if name not in columns}
    return pa.table(others | read)
