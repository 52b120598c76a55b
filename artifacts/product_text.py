"""The text that a text tower reads of a product: its title and, if the tower has further fields, these.

    Men blue T20 cricket jersey
    brand: Nike
    category: Apparel

The title stands first, as it is. Each further field that has a value follows on a line of its own, after the name of
its column as a marker in plain words, which any tokenizer can read. Without further fields the text is the title, byte
for byte. Training, the index builder and evaluation compose texts with these functions alone.
"""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from artifacts.errors import FormatError
from artifacts.placeholders import PLACEHOLDERS
from artifacts.tables import is_text

# Longer values are cut. A tower reads the first tokens of a text, so that 30 KB of a description would only cost time.
LONGEST_VALUE = 1000  # characters


def product_texts(products: pa.Table | pa.RecordBatch, fields: Sequence[str]) -> list[str]:
    """Return the texts of products; the empty string for a product without any.

    Args:
        products: rows of a catalogue, with `title` and those of the fields that the catalogue has.
        fields: columns that are read after the title; of one that is missing no product has a value.
    """
    return join_parts([part.to_pylist() for part in text_parts(products, fields)])


def plain_texts(products: pa.Table, fields: Sequence[str]) -> list[str]:
    """Return the titles and values of fields of products without markers, as a search for words reads them.

    Args:
        products: rows of a catalogue, with `title` and those of the fields that the catalogue has.
        fields: columns that are read after the title; of one that is missing no product has a value.
    """
    given = [plain_values(products[field]).to_pylist() for field in fields if field in products.column_names]
    return join_parts([products["title"].to_pylist(), *given])


def text_parts(products: pa.Table | pa.RecordBatch, fields: Sequence[str]) -> list[pa.Array]:
    """Return the parts of products' texts: the titles, then the marked values of each field."""
    titles = _one_array(pc.fill_null(products.column("title"), ""))
    return [titles, *(marked_values(products, field) for field in fields)]


def join_parts(parts: Sequence[Sequence[str | None]]) -> list[str]:
    """Return texts from their parts: titles first, then the marked values of each field; None and "" are left out."""
    if len(parts) == 1:
        return [title or "" for title in parts[0]]
    return ["\n".join(filter(None, of_product)) for of_product in zip(*parts, strict=True)]


def marked_values(products: pa.Table | pa.RecordBatch, field: str) -> pa.Array:
    """Return the values of a field after its marker, as strings; null where a product has none."""
    if field not in products.schema.names:
        return pa.nulls(products.num_rows, pa.string())
    marker = pa.scalar(f"{' '.join(field.replace('_', ' ').split()).lower()}: ")
    return pc.binary_join_element_wise(marker, plain_values(products.column(field)), pa.scalar(""))


def plain_values(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Return texts, or lists of texts joined by commas, in one line; null for blanks and placeholders such as N/A."""
    values = _one_array(column)
    if pa.types.is_dictionary(values.type):
        return plain_values(values.dictionary).take(values.indices)
    if _is_list(values.type):
        values = pa.array([_joined(value) for value in values.to_pylist()], pa.string())
    cut = pc.utf8_slice_codeunits(values.cast(pa.string()), 0, LONGEST_VALUE)
    plain = pc.utf8_trim_whitespace(pc.replace_substring_regex(cut, r"\s+", " "))
    is_nothing = pc.is_in(pc.utf8_lower(plain), value_set=pa.array(PLACEHOLDERS))
    return pc.if_else(is_nothing, pa.scalar(None, pa.string()), plain)


def text_columns(schema: pa.Schema, fields: Sequence[str]) -> list[str]:
    """Return the columns of a catalogue that are needed to compose texts with these fields."""
    return ["title", *(field for field in fields if field in schema.names)]


def can_be_field(kind: pa.DataType) -> bool:
    """Return whether values of a type can be read as a field: texts, or lists of them."""
    if pa.types.is_dictionary(kind) or _is_list(kind):
        kind = kind.value_type
    return bool(is_text(kind) or pa.types.is_null(kind))


def check_fields(source: Path, schema: pa.Schema, fields: Sequence[str]) -> str | None:
    """Check the columns that a product side reads as fields, and return a sentence on those that are missing.

    Args:
        source: the catalogue, for the message.
        schema: its columns.
        fields: the fields of the product side.

    Raises:
        FormatError: a column holds something else than text; the message names all such columns.
    """
    given = [schema.field(field) for field in fields if field in schema.names]
    wrong = [f"{field.name} is {field.type}" for field in given if not can_be_field(field.type)]
    if wrong:
        raise FormatError(
            f"{source}: the model reads fields that are text or lists of texts, but column {', column '.join(wrong)}; "
            "write it as text, as it was when the model was fitted"
        )
    missing = [field for field in fields if field not in schema.names]
    if not missing:
        return None
    several = len(missing) > 1
    return (
        f"{source} has no column {', '.join(missing)}, which the model reads; "
        f"products are encoded without {'these fields' if several else 'this field'}"
    )


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _joined(values: list[str | None] | None) -> str | None:
    """Return the texts of a list that are not blank, joined by commas."""
    given = (value.strip() for value in values or () if value)
    return ", ".join(value for value in given if value) or None


def _one_array(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    if not isinstance(column, pa.ChunkedArray):
        return column
    whole = column.combine_chunks()
    return whole if isinstance(whole, pa.Array) else pa.concat_arrays(whole.chunks)
