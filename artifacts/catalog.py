"""catalog.parquet: the products of a shop, one row each.

Columns: `product_id` (str, unique), `title` (str), `image` (str: a path relative to the file, or an http(s) URL, or
null; or a list of them) and any attribute columns (category, price, in_stock, ...), which filters can use. Ids that are
whole numbers are read as text; image entries have one form, and further photos of a product are read as a column of
their own, see artifacts/photo_entries.py.

A catalogue may also be a folder of Parquet files, as data warehouses write them. Its products are the rows of all
`*.parquet` files in the folder and below it, in the order of their names. Image paths are then relative to the folder.
Folders named COLUMN=VALUE (Hive) give a column to the files in them that lack it.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from artifacts.checksums import fingerprint_of, record_file, sha256_of_file
from artifacts.errors import DamagedError, FormatError
from artifacts.parquet_folder import parquet_files, partition_columns, partition_type
from artifacts.photo_entries import (
    MORE_IMAGES,
    columns_as_read,
    further_photos,
    photo_columns,
    photo_types,
    split_photos,
)
from artifacts.plain_types import plain_inside, plain_type
from artifacts.row_batches import read_batches
from artifacts.tables import IN_PIECES, Columns, check_columns, check_texts, count_rows, read_schema

BATCH_ROWS = 16_384  # most rows read at a time; see also artifacts.row_batches.BATCH_BYTES
CATALOG_COLUMNS: Columns = {"product_id": pa.string(), "title": pa.string(), "image": pa.string()}


@dataclass(frozen=True)
class Catalog:
    """The products of a shop, in the order of the file or files."""

    path: Path  # a file, or a folder of files
    table: pa.Table  # product_id, title, image and the attribute columns

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @property
    def product_ids(self) -> list[str]:
        """Product ids by row."""
        ids: list[str] = self.table["product_id"].to_pylist()
        return ids

    @property
    def titles(self) -> list[str]:
        """Titles by row; a product without a title has the empty string."""
        titles: list[str] = pc.fill_null(self.table["title"], "").to_pylist()
        return titles

    @property
    def images(self) -> list[str | None]:
        """Where each product's photo is: a path relative to `folder`, a URL, or None."""
        images: list[str | None] = self.table["image"].to_pylist()
        return images

    @property
    def more_images(self) -> list[list[str]]:
        """The further photos of each product, as `images`; empty if no product has any."""
        return further_photos(self.table)

    @property
    def folder(self) -> Path:
        """The folder that image paths are relative to, and must not leave."""
        return self.path if self.path.is_dir() else self.path.parent

    def rows_by_product_id(self) -> dict[str, int]:
        """Return the row number of each product id."""
        return {product_id: row for row, product_id in enumerate(self.product_ids)}

    def sha256(self) -> str:
        """Return the SHA-256 of the catalogue; see `CatalogStream.sha256`."""
        return _sha256(self.path)


@dataclass(frozen=True)
class CatalogStream:
    """A catalogue that is read in batches of rows, any number of times, and never completely in memory.

    Attributes:
        path: a file, or a folder of files.
        schema: schema of every batch: product_id, title, image and the attribute columns.
        count: number of products.
        partitions: values of columns that the names of folders give, by column and file.
        notes: what was converted, a sentence each.
    """

    path: Path
    schema: pa.Schema
    count: int
    partitions: Mapping[str, Mapping[Path, int | str | None]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """The folder that image paths are relative to, and must not leave."""
        return self.path if self.path.is_dir() else self.path.parent

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield the rows in order, in batches bounded in rows and bytes, with all columns or the given ones.

        Raises:
            DamagedError: a file is unreadable.
            FormatError: a text is not valid UTF-8, or a value does not fit the type of its column.
        """
        for _, _, batch in self.batches_of_files(columns):
            yield batch

    def batches_of_files(self, columns: Sequence[str] | None = None) -> Iterator[tuple[Path, int, pa.RecordBatch]]:
        """Yield what `batches` does, each batch after its file and the number of rows before it in that file."""
        schema = self.schema if columns is None else pa.schema([self.schema.field(name) for name in columns])
        for file in _files_of(self.path):
            given = {name: values[file] for name, values in self.partitions.items() if file in values}
            first_row = 0
            for batch in _read_batches(file, schema, given, first_row):
                yield file, first_row, batch
                first_row += len(batch)

    def sha256(self) -> str:
        """Return the SHA-256 of the file, by which a data set identifies its catalogue.

        For a folder it is a SHA-256 over the names and checksums of its files.
        """
        return _sha256(self.path)


def open_catalog(path: Path) -> CatalogStream:
    """Check a catalogue and open it. Only its ids are read, at 8 bytes of memory each.

    Args:
        path: a Parquet file, or a folder of them.

    Raises:
        DamagedError: a file is missing or unreadable.
        FormatError: a column is missing, ids are null, empty or repeated (the message names the first ones), or the
            files of a folder have columns of incompatible types.
    """
    files = _files_of(path)
    if not files:
        raise DamagedError(f"{path} has no *.parquet files")
    partitions = partition_columns(path, files) if path.is_dir() else {}
    schemas = {file: read_schema(file) for file in files}
    count = sum(count_rows(file) for file in files)
    catalog = CatalogStream(path, _common_schema(path, schemas, partitions), count, partitions, notes_on_ids(schemas))
    if catalog.count == 0:
        raise FormatError(f"{path} has no products")
    _check_ids(catalog)
    return catalog


def read_catalog(path: Path, columns: Sequence[str] | None = None) -> Catalog:
    """Read a catalogue into memory, with all columns or the given ones, and check it; see `open_catalog`.

    Raises:
        DamagedError: a file is missing or unreadable.
        FormatError: it is not what this version of Vitrine reads.
    """
    catalog = open_catalog(path)
    schema = catalog.schema if columns is None else pa.schema([catalog.schema.field(name) for name in columns])
    return Catalog(path, pa.Table.from_batches(catalog.batches(columns), schema).combine_chunks())


def check_ids_are_given(file: Path, ids: pa.Array | pa.ChunkedArray, first_row: int = 0) -> None:
    """Check that no product id is null, empty or blank.

    Args:
        file: the file that the ids are from.
        ids: strings.
        first_row: number of rows before them in the file.

    Raises:
        FormatError: one is; the message names its row, counted from 1.
    """
    missing = np.flatnonzero(
        pc.equal(pc.utf8_trim_whitespace(pc.fill_null(ids, "")), "").to_numpy(zero_copy_only=False)
    )
    if len(missing):
        raise FormatError(f"{file}: column product_id is null or empty in row {first_row + int(missing[0]) + 1:,}")


def _sha256(path: Path) -> str:
    if not path.is_dir():
        return sha256_of_file(path)
    return fingerprint_of({file.relative_to(path).as_posix(): record_file(file) for file in _files_of(path)})


def _files_of(path: Path) -> list[Path]:
    return parquet_files(path) if path.is_dir() else [path]


def _common_schema(
    path: Path, schemas: Mapping[Path, pa.Schema], partitions: Mapping[str, dict[Path, int | str | None]]
) -> pa.Schema:
    """Return the columns of all files. An attribute column that a file lacks is null in its rows.

    Types that differ but agree become the wider one, such as float64 for int64 and float64.
    """
    plain = []
    for file, schema in schemas.items():
        check_columns(file, schema, {**CATALOG_COLUMNS, **photo_types(file, schema)})
        for name, kind in {**CATALOG_COLUMNS, **columns_as_read(schema)}.items():
            place = schema.get_field_index(name)
            field = pa.field(name, kind)
            schema = schema.set(place, field) if place >= 0 else schema.append(field)
        without = plain_type if len(schemas) > 1 else plain_inside  # of several files one may have no dictionary
        plain.append(pa.schema([column.with_type(without(column.type)) for column in schema], metadata=schema.metadata))
    try:
        schema = pa.unify_schemas(plain, promote_options="permissive")
    except pa.ArrowException as error:
        raise FormatError(f"{path}: its files have incompatible columns: {error}") from error
    for name, values in partitions.items():
        if name not in schema.names:
            schema = schema.append(pa.field(name, partition_type(values)))
    return schema


def notes_on_ids(schemas: Mapping[Path, pa.Schema]) -> tuple[str, ...]:
    """Return a sentence where a file has whole numbers as product ids, which are read as text."""
    for file, schema in schemas.items():
        kind = schema.field("product_id").type
        if pa.types.is_integer(kind):
            return (f"{file}: column product_id is {kind}; its ids are read as text, such as '1'",)
    return ()


def _read_batches(
    file: Path, schema: pa.Schema, given: Mapping[str, int | str | None], first_row: int
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of one file with the columns of its catalogue; `given` has values for columns that it may lack."""
    try:
        with pq.ParquetFile(file, **IN_PIECES) as opened:
            photos = photo_columns(opened.schema_arrow) if {"image", MORE_IMAGES} & {*schema.names} else []
            there = [name for name in schema.names if name in opened.schema_arrow.names and name not in photos]
            for batch in read_batches(opened, [*there, *photos], BATCH_ROWS):
                check_texts(file, batch, first_row)
                first_row += len(batch)
                read = split_photos(batch, photos)
                columns = [
                    read[column.name]
                    if column.name in read
                    else _in_type(file, batch.column(column.name), column)
                    if column.name in there
                    else pa.repeat(pa.scalar(given.get(column.name), column.type), len(batch))
                    for column in schema
                ]
                yield pa.RecordBatch.from_arrays(columns, schema=schema)
    except (pa.ArrowException, OSError) as error:
        raise DamagedError(f"{file} cannot be read: {error}") from error


def _in_type(file: Path, values: pa.Array, column: pa.Field) -> pa.Array:
    try:
        return values.cast(column.type)
    except pa.ArrowInvalid as error:
        raise FormatError(
            f"{file}: column {column.name} is {values.type} here, and a value does not fit into {column.type}, the "
            f"type for all files: {error}"
        ) from error


def _check_ids(catalog: CatalogStream) -> None:
    """Check that ids are neither null, empty nor repeated. Only ids whose hashes repeat are compared themselves."""
    hashes = [np.empty(0, np.int64)]
    for file, first_row, batch in catalog.batches_of_files(["product_id"]):
        check_ids_are_given(file, batch.column(0), first_row)
        hashes.append(np.fromiter(map(hash, batch.column(0).to_pylist()), np.int64, len(batch)))
    ordered = np.sort(np.concatenate(hashes))
    suspects = set(ordered[1:][ordered[1:] == ordered[:-1]].tolist())
    if not suspects:
        return
    ids = (product_id for batch in catalog.batches(["product_id"]) for product_id in batch.column(0).to_pylist())
    counts = Counter(product_id for product_id in ids if hash(product_id) in suspects)
    repeated = [product_id for product_id, count in counts.items() if count > 1]
    if repeated:
        named = ", ".join(repeated[:5])
        raise FormatError(f"{catalog.path}: {len(repeated)} product ids occur more than once, such as {named}")
