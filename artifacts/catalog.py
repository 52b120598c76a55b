"""catalog.parquet: the products of a shop, one row each.

Columns: `product_id` (str, unique), `title` (str), `image` (str: a path relative to the file, or an
http(s) URL, or null) and any attribute columns (category, price, in_stock, ...), which filters can use.

A catalogue may also be a folder of Parquet files, as data warehouses write them. Its products are the rows of all
`*.parquet` files in the order of the file names. Image paths are then relative to the folder.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from artifacts.checksums import fingerprint_of, record_file, sha256_of_file
from artifacts.errors import DamagedError, FormatError
from artifacts.tables import Columns, check_columns, count_rows, read_schema

BATCH_ROWS = 16_384  # rows read at a time, a few megabytes
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
    """

    path: Path
    schema: pa.Schema
    count: int

    @property
    def folder(self) -> Path:
        """The folder that image paths are relative to, and must not leave."""
        return self.path if self.path.is_dir() else self.path.parent

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield the rows in order, at most BATCH_ROWS at a time, with all columns or the given ones.

        Raises:
            DamagedError: a file is unreadable.
        """
        schema = self.schema if columns is None else pa.schema([self.schema.field(name) for name in columns])
        for file in _files_of(self.path):
            yield from _read_batches(file, schema)

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
        FormatError: a column is missing, ids are null or repeated (the message names the first ones), or the files of
            a folder have columns of incompatible types.
    """
    files = _files_of(path)
    if not files:
        raise DamagedError(f"{path} has no *.parquet files")
    catalog = CatalogStream(path, _common_schema(path, files), sum(count_rows(file) for file in files))
    if catalog.count == 0:
        raise FormatError(f"{path} has no products")
    _check_ids(catalog)
    return catalog


def read_catalog(path: Path) -> Catalog:
    """Read a whole catalogue into memory and check it; see `open_catalog`.

    Raises:
        DamagedError: a file is missing or unreadable.
        FormatError: it is not what this version of Vitrine reads.
    """
    catalog = open_catalog(path)
    return Catalog(path, pa.Table.from_batches(catalog.batches(), catalog.schema).combine_chunks())


def _sha256(path: Path) -> str:
    if not path.is_dir():
        return sha256_of_file(path)
    return fingerprint_of({file.name: record_file(file) for file in _files_of(path)})


def _files_of(path: Path) -> list[Path]:
    """Return the files of a catalogue by name, without those that begin with a dot or an underscore."""
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.glob("*.parquet") if file.is_file() and file.name[0] not in "._")


def _common_schema(path: Path, files: Sequence[Path]) -> pa.Schema:
    """Return the columns of all files. An attribute column that a file lacks is null in its rows."""
    schemas = []
    for file in files:
        schema = read_schema(file)
        check_columns(file, schema, CATALOG_COLUMNS)
        for name, kind in CATALOG_COLUMNS.items():
            schema = schema.set(schema.get_field_index(name), pa.field(name, kind))
        schemas.append(schema)
    try:
        return pa.unify_schemas(schemas, promote_options="default")
    except pa.ArrowException as error:
        raise FormatError(f"{path}: its files have incompatible columns: {error}") from error


def _read_batches(file: Path, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield the rows of one file with the columns of its catalogue."""
    try:
        with pq.ParquetFile(file) as opened:
            here = [name for name in schema.names if name in opened.schema_arrow.names]
            for batch in opened.iter_batches(BATCH_ROWS, columns=here):
                columns = [
                    batch.column(field.name).cast(field.type)
                    if field.name in here
                    else pa.nulls(len(batch), field.type)
                    for field in schema
                ]
                yield pa.RecordBatch.from_arrays(columns, schema=schema)
    except (pa.ArrowException, OSError) as error:
        raise DamagedError(f"{file} cannot be read: {error}") from error


def _check_ids(catalog: CatalogStream) -> None:
    """Check that ids are neither null nor repeated. Only ids whose hashes repeat are compared themselves."""
    hashes, nulls = [np.empty(0, np.int64)], 0
    for batch in catalog.batches(["product_id"]):
        nulls += batch.column(0).null_count
        hashes.append(np.fromiter(map(hash, batch.column(0).to_pylist()), np.int64, len(batch)))
    if nulls:
        raise FormatError(f"{catalog.path}: {nulls} rows have no product_id")
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
