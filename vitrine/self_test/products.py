"""Products of a catalogue as the self-test reads them: a sample, and how many share a value."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from artifacts.catalog import CatalogStream, open_catalog
from artifacts.word_columns import IDENTIFIER_COLUMNS

# Names of columns, in small letters without signs, best first.
_BRANDS = ("brand", "brandname", "manufacturer", "vendor", "maker", "marke", "hersteller")
_TYPES = (
    "category",
    "producttype",
    "categorypath",
    "googleproductcategory",
    "type",
    "articletype",
    "categories",
    "maincategory",
)
_GTINS = (*IDENTIFIER_COLUMNS["gtin"], "gtins")
_PATH_MARK = re.compile(r"\s*[>\u203a\u00bb|/]\s*")  # between the levels of a category


@dataclass(frozen=True)
class Product:
    """A product as the self-test reads it; a value that it has not is empty."""

    product_id: str
    title: str
    brand: str
    type: str  # the last level of its category
    gtin: str
    image: str | None

    @property
    def brand_and_type(self) -> str:
        """Brand and type as a query; empty unless there are both."""
        return f"{self.brand} {self.type}" if self.brand and self.type else ""


@dataclass(frozen=True)
class Columns:
    """The columns of a catalogue that hold brand, type and gtin; None where there is none."""

    brand: str | None
    type: str | None
    gtin: str | None

    def product(self, row: Mapping[str, Any]) -> Product:
        """Return a row of the catalogue, or a hit of a search, as a product."""
        return Product(
            product_id=row["product_id"],
            title=_text(row["title"]),
            brand=_text(row.get(self.brand or "")),
            type=_last_level(row.get(self.type or "")),
            gtin=_text(_first(row.get(self.gtin or ""))),
            image=row["image"],
        )


@dataclass(frozen=True)
class CatalogueSample:
    """Products drawn from a catalogue, and what the whole catalogue says about their values.

    Attributes:
        folder: the folder of the photos.
        columns: where brand, type and gtin stand.
        count: number of products of the catalogue.
        products: those that were drawn.
        with_title: how many products have this title, for the titles of those drawn.
        with_brand_and_type: how many products have this brand and type, likewise.
    """

    folder: Path
    columns: Columns
    count: int
    products: Sequence[Product]
    with_title: Counter[str]
    with_brand_and_type: Counter[str]


def sample_catalogue(catalog: Path, most: int, seed: int) -> CatalogueSample:
    """Draw products from a catalogue.

    Args:
        catalog: the catalogue.
        most: how many to draw.
        seed: decides which.

    Raises:
        DamagedError: the catalogue is missing or unreadable.
        FormatError: it is no catalogue.
    """
    stream = open_catalog(catalog)
    columns = Columns(*(_column(stream.schema, names) for names in (_BRANDS, _TYPES, _GTINS)))
    drawn = {int(row) for row in np.random.default_rng(seed).permutation(stream.count)[:most]}
    products, titles, pairs = list[Product](), Counter[str](), Counter[str]()
    for row, product in enumerate(_products(stream, columns)):
        titles[product.title.lower()] += 1
        pairs[product.brand_and_type.lower()] += 1
        if row in drawn:
            products.append(product)
    return CatalogueSample(stream.folder, columns, stream.count, products, titles, pairs)


def _products(stream: CatalogStream, columns: Columns) -> Iterator[Product]:
    named = (columns.brand, columns.type, columns.gtin)
    read = [name for name in dict.fromkeys(("product_id", "title", "image", *named)) if name]
    for batch in stream.batches(read):
        yield from map(columns.product, batch.to_pylist())


def _column(schema: pa.Schema, names: Sequence[str]) -> str | None:
    """Return the column with the first of these names that there is."""
    plain = {re.sub(r"[\W_]", "", name.lower()): name for name in reversed(schema.names)}
    return next((plain[name] for name in names if name in plain), None)


def _last_level(value: Any) -> str:
    if isinstance(value, list):
        value = value[-1] if value else None
    levels = [level for level in _PATH_MARK.split(_text(value)) if level]
    return levels[-1] if levels else ""


def _first(value: Any) -> Any:
    return (value[0] if value else None) if isinstance(value, list) else value


def _text(value: Any) -> str:
    if isinstance(value, float):  # of a column of whole numbers with gaps, as pandas writes it
        value = int(value) if value.is_integer() else None
    return "" if value is None else " ".join(str(value).split())
