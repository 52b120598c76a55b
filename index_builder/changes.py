"""Files of changes: which products of a version are replaced, added and removed.

A file of changes is Parquet: product_id (unique), `change` ("upsert" or "delete"), and the columns of the version's
products. An upsert replaces the whole row of a product, or adds the product; a delete needs only the id.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from artifacts.catalog import CatalogStream, check_ids_are_given, notes_on_ids
from artifacts.errors import FormatError
from artifacts.photo_entries import photo_entries
from artifacts.tables import read_schema, read_table
from index_builder.core.keys import Rows
from index_builder.core.progress import ProgressReporter

UPSERT, DELETE = "upsert", "delete"


@dataclass(frozen=True, eq=False)
class Changes:
    """The content of a file of changes.

    Attributes:
        path: the file.
        upserts: whole rows of products, with the columns of the version.
        deletes: ids of the products to remove.
        notes: what was converted, a sentence each.
    """

    path: Path
    upserts: pa.Table
    deletes: frozenset[str]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ChangedRow:
    """A product of the new version whose row comes from the changes.

    Attributes:
        row: row in the new version.
        upsert: row among the upserts.
        base_row: row in the base version; None for a new product.
        same_entry: whether title and image entry are the same in the base version.
    """

    row: int
    upsert: int
    base_row: int | None = None
    same_entry: bool = False


@dataclass(eq=False)
class Merge:
    """The products of a version with changes applied: each keeps its place, and new ones are appended.

    Attributes:
        base: products of the base version.
        changes: changes to apply.
        report: receives a line where products are to be deleted that the base version does not have.
        kept: rows of unchanged products in `base` and in the new version, (n, 2) for each batch; filled by `batches`.
        changed: rows that come from the changes; filled by `batches`.
    """

    base: CatalogStream
    changes: Changes
    report: ProgressReporter = lambda line: None
    kept: list[Rows] = field(default_factory=list)
    changed: list[ChangedRow] = field(default_factory=list)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the products of the new version; call it once.

        A delete of a product that the base version does not have changes nothing: an earlier update may have done it.
        """
        upserts = {key: row for row, key in enumerate(self.changes.upserts["product_id"].to_pylist())}
        deletes, row, base_row = set(self.changes.deletes), 0, 0
        for batch in self.base.batches():
            ids = batch.column("product_id").to_pylist()
            left = [place for place, key in enumerate(ids) if key not in deletes]
            deletes.difference_update(ids)
            found = {place: upserts.pop(ids[place]) for place in left if ids[place] in upserts}
            yield self._merge(batch, left, found, row, base_row)
            row, base_row = row + len(left), base_row + len(batch)
        if deletes:
            self.report(
                f"{self.changes.path}: {len(deletes):,} of {len(self.changes.deletes):,} products to delete are not in "
                f"the version, such as {min(deletes)}"
            )
        added = sorted(upserts.values())
        self.changed.extend(ChangedRow(row + place, upsert) for place, upsert in enumerate(added))
        yield from self.changes.upserts.take(pa.array(added, pa.int64())).to_batches()

    def _merge(
        self, batch: pa.RecordBatch, left: list[int], found: dict[int, int], row: int, base_row: int
    ) -> pa.RecordBatch:
        """Return a batch without deleted products and with replaced rows."""
        new = self.changes.upserts.take(pa.array(list(found.values()), pa.int64())).combine_chunks()
        source = {place: len(batch) + number for number, place in enumerate(found)}
        both = pa.concat_tables([pa.Table.from_batches([batch]), new])
        same = {
            place: all(both[name][place] == both[name][source[place]] for name in ("title", "image")) for place in found
        }
        self.changed.extend(
            ChangedRow(row + now, found[place], base_row + place, same[place])
            for now, place in enumerate(left)
            if place in found
        )
        kept = [(base_row + place, row + now) for now, place in enumerate(left) if place not in found]
        self.kept.append(np.array(kept, np.int64).reshape(-1, 2))
        merged = both.take(pa.array([source.get(place, place) for place in left], pa.int64()))
        return pa.RecordBatch.from_struct_array(merged.to_struct_array().combine_chunks())


def read_changes(path: Path, base: pa.Schema) -> Changes:
    """Read and check a file of changes.

    Args:
        path: the file.
        base: columns of the products of the base version.

    Raises:
        DamagedError: the file is missing or no Parquet.
        FormatError: columns or their types are not those of the products, a change is neither an upsert nor a delete,
            or a product occurs twice.
    """
    table = read_table(path, {"product_id": pa.string(), "change": pa.string()})
    ids, kinds = table["product_id"], table["change"]
    check_ids_are_given(path, ids)
    counts = pc.value_counts(ids)
    repeated = counts.filter(pc.greater(counts.field("counts"), 1)).field("values")
    if len(repeated):
        raise FormatError(f"{path}: {len(repeated)} product ids occur more than once, such as {repeated[0]}")
    unknown = sorted(set(map(str, pc.unique(kinds).to_pylist())) - {UPSERT, DELETE})
    if unknown:
        raise FormatError(f"{path}: change is {unknown[0]!r}, expected {UPSERT!r} or {DELETE!r}")
    upserts = table.filter(pc.equal(kinds, UPSERT)).drop_columns(["change"])
    deletes = frozenset(ids.filter(pc.equal(kinds, DELETE)).to_pylist())
    rows = _in_columns_of(upserts, base, path) if len(upserts) else base.empty_table()
    return Changes(path, rows, deletes, notes_on_ids({path: read_schema(path)}))


def _in_columns_of(upserts: pa.Table, base: pa.Schema, path: Path) -> pa.Table:
    """Return upserts with the columns and types of the products."""
    differing = {
        "lacks": set(base.names) - set(upserts.column_names),
        "has": set(upserts.column_names) - set(base.names),
    }
    for verb, names in differing.items():
        if names:
            raise FormatError(
                f"{path} {verb} the column{'s' * (len(names) > 1)} {', '.join(sorted(names))}, the products of the "
                f"version {'have' if verb == 'lacks' else 'have not'}: an upsert replaces a whole row"
            )
    try:
        cast = upserts.select(base.names).cast(base)
        return cast.set_column(base.get_field_index("image"), base.field("image"), _plain_images(cast))
    except (pa.ArrowException, ValueError) as error:
        raise FormatError(
            f"{path}: its columns are of other types than the products of the version: {error}"
        ) from error


def _plain_images(upserts: pa.Table) -> pa.ChunkedArray:
    return pa.chunked_array([photo_entries(chunk) for chunk in upserts["image"].chunks], pa.string())
