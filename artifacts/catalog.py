"""catalog.parquet: the products of a shop, one row each.

Columns: `product_id` (str, unique), `title` (str), `image` (str: a path relative to the file, or an
http(s) URL, or null) and any attribute columns (category, price, in_stock, ...), which filters can use.
"""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from artifacts.checksums import sha256_of_file
from artifacts.errors import FormatError
from artifacts.tables import Columns, read_table

CATALOG_COLUMNS: Columns = {"product_id": pa.string(), "title": pa.string(), "image": pa.string()}


@dataclass(frozen=True)
class Catalog:
    """The products of a shop, in the order of the file."""

    path: Path
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
        """Where each product's photo is: a path relative to the file, a URL, or None."""
        images: list[str | None] = self.table["image"].to_pylist()
        return images

    @property
    def folder(self) -> Path:
        """The folder that image paths are relative to, and must not leave."""
        return self.path.parent

    def rows_by_product_id(self) -> dict[str, int]:
        """Row number of each product id."""
        return {product_id: row for row, product_id in enumerate(self.product_ids)}

    def sha256(self) -> str:
        """SHA-256 of the file, by which a data set names the catalogue that it was made from."""
        return sha256_of_file(self.path)


def read_catalog(path: Path) -> Catalog:
    """Read and check a catalogue.

    Raises:
        DamagedError: the file is missing or unreadable.
        FormatError: a column is missing, or ids are null or repeated (the first ones are named).
    """
    table = read_table(path, CATALOG_COLUMNS)
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
