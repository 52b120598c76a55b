"""Which columns of a catalogue are identifiers, and which are texts that are searched by their words.

Columns are known by their names, whatever their case and signs: `Model Number` is `model_number`. All further columns
of text are searched too, with little weight; addresses of pages and pictures are not.
"""

import pyarrow as pa
import pyarrow.compute as pc

from artifacts.catalog import CATALOG_COLUMNS
from artifacts.photo_entries import columns_as_read
from artifacts.product_text import can_be_field, plain_values
from artifacts.query_text import normalise_queries

# By kind (lexical/identifiers.py) and field (lexical/fields.py).
IDENTIFIER_COLUMNS = {
    "gtin": ("gtin", "gtin8", "gtin12", "gtin13", "gtin14", "ean", "ean13", "upc", "jan", "isbn", "isbn13", "barcode"),
    "mpn": ("mpn", "model", "modelnumber", "modelno", "partnumber", "partno", "manufacturerpartnumber"),
    "sku": ("sku", "itemnumber", "itemno", "articlenumber", "articleno", "stocknumber"),
}
TEXT_COLUMNS = {
    "brand": ("brand", "brandname", "manufacturer", "vendor", "productbrand"),
    "category": ("category", "categories", "subcategory", "producttype", "productcategory", "googleproductcategory"),
}
_IDENTIFIER_OF = {name: kind for kind, names in IDENTIFIER_COLUMNS.items() for name in names}
_FIELD_OF = {name: field for field, names in TEXT_COLUMNS.items() for name in names}
_ADDRESS = r"(?i)^(https?://|//|www\.)\S+$"


def word_columns(schema: pa.Schema) -> list[str]:
    """Return the columns of a catalogue that its words are made of."""
    others = {**CATALOG_COLUMNS, **columns_as_read(schema)}
    further = [
        field.name
        for field in schema
        if field.name not in others
        and (can_be_field(field.type) or (_plain(field.name) in _IDENTIFIER_OF and _is_number(field.type)))
    ]
    return ["product_id", "title", *further]


def identifier_values(products: pa.RecordBatch) -> dict[str, list[str]]:
    """Return the identifiers of products by kind, `id` and what the catalogue has; "" where a product has none."""
    values: dict[str, list[pa.Array]] = {"id": [products.column("product_id")]}
    for name in products.schema.names:
        if (kind := _IDENTIFIER_OF.get(_plain(name))) is not None:
            values.setdefault(kind, []).append(_texts(products.column(name)))
    # Where several columns are of one kind the first with a value counts.
    return {kind: pc.fill_null(pc.coalesce(*columns), "").to_pylist() for kind, columns in values.items()}


def field_texts(products: pa.RecordBatch) -> dict[str, list[str]]:
    """Return the texts of products by field, in the form that queries have; "" where a product has none."""
    fields: dict[str, list[pa.Array]] = {"title": [_normal(products.column("title"))]}
    for name in products.schema.names:
        if name not in CATALOG_COLUMNS and _plain(name) not in _IDENTIFIER_OF:
            fields.setdefault(_FIELD_OF.get(_plain(name), "other"), []).append(_normal(_texts(products.column(name))))
    return {
        field: pc.binary_join_element_wise(*columns, " ", null_handling="skip").to_pylist()
        for field, columns in fields.items()
    }


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name.lower()))


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _texts(column: pa.Array) -> pa.Array:
    """Return the values of a column as texts; null for blanks, placeholders and addresses."""
    if pa.types.is_floating(column.type):  # a column of whole numbers with gaps, as pandas writes it
        whole = pc.and_kleene(pc.is_finite(column), pc.equal(column, pc.floor(column)))
        column = pc.if_else(whole, column, pa.scalar(None, column.type)).cast(pa.int64())
    if pa.types.is_integer(column.type):
        column = column.cast(pa.string())
    values = plain_values(column)
    return pc.if_else(pc.match_substring_regex(values, _ADDRESS), pa.scalar(None, pa.string()), values)


def _normal(column: pa.Array) -> pa.Array:
    return pc.fill_null(normalise_queries(pa.chunked_array([column.cast(pa.string())])), "")
