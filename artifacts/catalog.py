"""catalog.parquet: the products of a shop, one row each.

Columns: `product_id` (str, unique), `title` (str), `image` (str: a path relative to the file, or an
http(s) URL, or null) and any attribute columns (category, price, in_stock, ...), which filters can use.

A catalogue may also be a folder of Parquet files, as data warehouses write them: the rows of all `*.parquet` files in
it, in the order of their names. Image paths are then relative to the folder.
"""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from artifacts.checksums import FileRecord, fingerprint_of, sha256_of_file
from artifacts.errors import DamagedError, FormatError
from artifacts.tables import Columns, read_table

CATALOG_COLUMNS: Columns = {"product_id": pa.string(), "title": pa.string(), "image": pa.string()}


@dataclass(frozen=True)
class Catalog:
    """The products of a shop, in the order of the file or files."""

    path: Path  # of a file, or a folder of files
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
        """Row number of each product id."""
        return {product_id: row for row, product_id in enumerate(self.product_ids)}

    def sha256(self) -> str:
        """SHA-256 of the file, by which a data set names the catalogue that it was made from.

        Of a folder it is over the names and checksums of its files.
        """
        if not self.path.is_dir():
            return sha256_of_file(self.path)
        return fingerprint_of(
            {
                file.name: FileRecord(sha256=sha256_of_file(file), size_bytes=file.stat().st_size)
                for file in _files(self.path)
            }
        )


def read_catalog(path: Path) -> Catalog:
    """Read and check a catalogue.

    Args:
        path: a Parquet file, or a folder of them.

    Raises:
        DamagedError: a file is missing or unreadable.
        FormatError: a column is missing, ids are null or repeated (the first ones are named), or files of a folder
            have columns of types that do not go together.
    """
    table = _read_folder(path) if path.is_dir() else read_table(path, CATALOG_COLUMNS)
    ids = table["product_id"]
    if table.num_rows == 0:
        raise FormatError(f"{path} has no products")
    if ids.null_count:
        raise FormatError(f"{path}: {ids.null_count} rows have no product_id")
    counts = pc.value_counts(ids)
    repeated = counts.filter(pc.greater(counts.field("counts"), 1)).field("values")
    if len(repeated):
        named = ", ".join(repeated[:5].to_pylist())
        raise FormatError(f"{path}: {len(repeated)} product ids occur more than once, such as {named}")
    return Catalog(path=path, table=table)


def _files(folder: Path) -> list[Path]:
    """The Parquet files of a folder by name; those that begin with a dot or an underscore are no part of it."""
    return sorted(path for path in folder.glob("*.parquet") if path.is_file() and path.name[0] not in "._")


def _read_folder(folder: Path) -> pa.Table:
    """The rows of all files. A column that a file lacks is null there, unless the format asks for it."""
    files = _files(folder)
    if not files:
        raise DamagedError(f"{folder} has no *.parquet files")
    tables = [read_table(file, CATALOG_COLUMNS) for file in files]
    try:
        return pa.concat_tables(tables, promote_options="default")
    except pa.ArrowException as error:
        raise FormatError(f"{folder}: its files do not go together: {error}") from error
