"""The columns of a catalogue by what their values are of a product: its category, its brand, its model number."""

import re
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from artifacts.product_text import can_be_field, plain_values

_CATEGORY = re.compile(r"categor|type|class|department|taxonomy", re.IGNORECASE)
_BRAND = re.compile(r"^(brand|brand_?name|manufacturer|vendor|make)$", re.IGNORECASE)
_MODEL = re.compile(r"^(mpn|model|model_?(number|no|name)|part_?(number|no)|sku)$", re.IGNORECASE)
_PATH = re.compile(r"\s*(?:>|/|\||»)\s*")
_PATH_SIGNS = " >/|»"  # also those that stand at the end of a path, with nothing behind them
_MOST_CATEGORIES = 0.2  # distinct values by products; more are no categories ...
_ALWAYS_FEW = 20  # ... unless there are no more than these


def category_column(products: pa.Table, fields: Sequence[str]) -> str | None:
    """Return the column with the finest categories, by name and number of values; None if there is none.

    Args:
        products: the catalogue.
        fields: the columns that hold words on products.
    """
    distinct = {
        name: pc.count_distinct(products[name]).as_py()
        for name in fields
        if name in products.column_names and _CATEGORY.search(name)
    }
    fine = {
        name: count
        for name, count in distinct.items()
        if 1 < count <= max(_ALWAYS_FEW, _MOST_CATEGORIES * len(products))
    }
    return max(fine, key=lambda name: fine[name], default=None)


def brand_column(fields: Sequence[str]) -> str | None:
    """Return the column that holds brands, by its name; None if there is none."""
    return next((name for name in fields if _BRAND.match(name)), None)


def model_columns(products: pa.Table) -> list[str]:
    """Return the columns of text that hold model numbers, by their names."""
    return [field.name for field in products.schema if _MODEL.match(field.name) and can_be_field(field.type)]


def categories(products: pa.Table, fields: Sequence[str]) -> list[str | None]:
    """Return the category of each product, of a path its end; None where it has none."""
    column = category_column(products, fields)
    if column is None:
        return [None] * len(products)
    values = plain_values(products[column]).to_pylist()
    return [_PATH.split(value.rstrip(_PATH_SIGNS))[-1].strip().lower() or None if value else None for value in values]
