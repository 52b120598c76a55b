"""The columns of a catalogue that a text tower reads of a product after its title.

A recipe names them or says `text`: then they are chosen by what the columns hold, once, when a model is fitted, and the
choice stands in the bundle. Columns are left out that say nothing of a product, whose values are nearly all distinct
codes, or which may change every day and would have the product encoded again.
"""

import pyarrow as pa
import pyarrow.compute as pc

from artifacts.catalog import CATALOG_COLUMNS, Catalog
from artifacts.errors import FormatError
from artifacts.photo_entries import MORE_IMAGES
from artifacts.product_text import can_be_field, check_fields, plain_values
from training.errors import RecipeError
from training.recipes.recipe import Recipe

# A column of which at least half of the values match one of these is no field.
_MOST_MATCH = 0.5
_NO_WORDS = (
    r"(?i)^(https?://|//|www\.)\S+$",  # addresses
    r"(?i)^\S+\.(avif|gif|html?|jpe?g|mp4|pdf|png|svg|webp)$",  # files
    r"^\P{L}*$",  # numbers, dates, sizes without a unit
    r"^\d{4}-\d\d-\d\d[T ]",  # times
    r"^[^\pL\d]*[A-Za-z]{0,3}\s*[$€£¥₹]\s*[\d.,\s]+$|^[\d.,\s]+\s*[$€£¥₹]$",  # prices
    r"(?i)^[\d.,]+\s?(aud|brl|cad|chf|cny|dkk|eur|gbp|inr|jpy|mxn|nok|pln|sek|usd)$",  # prices
    r"(?i)^(true|false|yes|no|y|n)$",
    r"(?i)^(in|out of|limited)[ _-]stock$|^(un)?available$|^(pre|back)[ _-]?order(ed)?$|^sold[ _-]out$",
)
# Codes are words with a digit, or any words if there are many of them, that are seldom repeated.
_CODE = r"^\S*\d\S*$"
_CODE_DISTINCT = 0.2  # number of distinct values by values
_WORD = r"^\S+$"
_WORD_DISTINCT = 0.9
_WORD_LEAST = 100  # values


def chosen_fields(recipe: Recipe, catalog: Catalog) -> tuple[str, ...]:
    """Return the fields of the text tower that a recipe builds, in the order in which they are read.

    Args:
        recipe: what is fitted; a tower of an earlier fit has the fields that it was fitted with.
        catalog: the products.

    Raises:
        RecipeError: the recipe names a column that the catalogue lacks, or that holds no text.
    """
    check_named_fields(recipe, catalog)
    fields = recipe.bibert.fields if recipe.bibert else ()
    return text_fields(catalog) if fields == "text" else fields


def check_named_fields(recipe: Recipe, catalog: Catalog) -> None:
    """Refuse a recipe that names a column which the catalogue lacks, or which holds no text.

    Raises:
        RecipeError: it does.
    """
    fields = recipe.bibert.fields if recipe.bibert else ()
    if fields == "text":
        return
    try:
        missing = check_fields(catalog.path, catalog.table.schema, fields)
    except FormatError as error:
        raise RecipeError(f"recipe {recipe.name}: {error}") from error
    if missing:
        lacking = [field for field in fields if field not in catalog.table.column_names]
        raise RecipeError(
            f"recipe {recipe.name} reads {', '.join(lacking)} of products, and {catalog.path} has no such column of "
            "text; change its fields, or write `fields: text` for those that the catalogue has"
        )


def text_fields(catalog: Catalog) -> tuple[str, ...]:
    """Return the columns of a catalogue that hold words on its products, those of short values first.

    What comes last may be cut, so that a description does not push out the brand.
    """
    table, lengths = catalog.table, dict[str, float]()
    for field in table.schema:
        if field.name in (*CATALOG_COLUMNS, MORE_IMAGES) or not can_be_field(field.type):
            continue
        values = plain_values(table[field.name])
        same = pc.fill_null(pc.equal(values, table["title"].combine_chunks()), False)
        given = values.filter(pc.and_(pc.is_valid(values), pc.invert(same))) if len(values) else values
        if len(given) and _says_something(given):
            lengths[field.name] = pc.mean(pc.utf8_length(given)).as_py()
    return tuple(sorted(lengths, key=lambda name: lengths[name]))


def _says_something(values: pa.Array) -> bool:
    distinct = pc.count_distinct(values).as_py()
    if distinct < 2 or any(_share(values, pattern) >= _MOST_MATCH for pattern in _NO_WORDS):
        return False
    share = distinct / len(values)
    if share > _CODE_DISTINCT and _share(values, _CODE) >= _MOST_MATCH:
        return False
    are_names = share > _WORD_DISTINCT and len(values) >= _WORD_LEAST and _share(values, _WORD) >= _MOST_MATCH
    return not are_names


def _share(values: pa.Array, pattern: str) -> float:
    """Return the share of values that match a pattern."""
    return float(pc.mean(pc.match_substring_regex(values, pattern).cast(pa.int8())).as_py())
