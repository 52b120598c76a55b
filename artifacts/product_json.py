"""Each product of a catalogue as JSON, as answers show it.

The service makes it when it loads a version, and the gate of the index builder makes it before it publishes one. Arrow
writes it column by column without holding Python's lock; only lists, structures and texts with control characters are
written by Python.
"""

import json
import math
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from artifacts.attribute_columns import attribute_names
from artifacts.catalog import CATALOG_COLUMNS
from artifacts.errors import FormatError
from artifacts.row_batches import bounded_slices
from artifacts.tables import is_text

# Fields of a hit that the search itself fills. An attribute of the same name can be filtered by but is not shown.
SEARCH_FIELDS = ("rank", "score", "explain")
_ROWS_AT_ONCE = 65_536
_FIRST_PRINTABLE = 0x20  # JSON requires every character below it to be escaped


def product_fragments(products: pa.Table) -> Iterator[pa.Array]:
    """Yield the JSON of all products in order, as large_string, each without its opening brace: `"product_id":...}`.

    JSON has no NaN and no infinity, so that these become null, also inside lists and structures.

    Raises:
        FormatError: a value has no text, such as a time in an unknown time zone; the message names the column.
    """
    for batch in products.to_batches(_ROWS_AT_ONCE):
        for part in bounded_slices(batch, _ROWS_AT_ONCE):
            yield _fragments(part)


def _fragments(batch: pa.RecordBatch) -> pa.Array:
    pieces: list[pa.Array | pa.Scalar] = []
    for name in (*CATALOG_COLUMNS, *attribute_names(batch.schema)):
        if name in SEARCH_FIELDS:
            continue
        column = pc.fill_null(batch[name], "") if name == "title" else batch[name]
        key = _text(f"{',' if pieces else ''}{json.dumps(name)}:")
        pieces += [key, pc.fill_null(_json_values(name, column), "null")]
    return pc.binary_join_element_wise(*pieces, _text("}"), _EMPTY)


def _json_values(name: str, column: pa.Array) -> pa.Array:
    """Return each value of a column as JSON text, as large_string; null stays null."""
    try:
        return _by_type(name, column)
    except (pa.ArrowException, ValueError, OverflowError, KeyError) as error:
        raise FormatError(f"column {name} of the products, {column.type}, cannot be shown: {error}") from error


def _by_type(name: str, column: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    if is_text(kind):
        return _json_texts(name, column.cast(pa.large_string()))
    if pa.types.is_floating(kind):
        column = pc.if_else(pc.is_finite(column), column, pa.scalar(None, kind))
    if any(is_kind(kind) for is_kind in _WRITTEN_BY_ARROW):
        return column.cast(pa.large_string())
    if pa.types.is_temporal(kind):
        return pc.binary_join_element_wise(_QUOTE, column.cast(pa.large_string()), _QUOTE, _EMPTY)
    return _json_one_by_one(column)


def _json_texts(name: str, texts: pa.Array) -> pa.Array:
    try:
        texts.validate(full=True)
    except pa.ArrowInvalid as error:
        raise FormatError(f"column {name} of the products is not valid UTF-8: {error}") from error
    escaped = pc.replace_substring(pc.replace_substring(texts, "\\", "\\\\"), '"', '\\"')
    text = escaped.buffers()[2]  # holds these rows alone, since `escaped` is no slice
    if text is not None and text.size and np.frombuffer(text, dtype=np.uint8).min() < _FIRST_PRINTABLE:
        return _json_one_by_one(texts)
    return pc.binary_join_element_wise(_QUOTE, escaped, _QUOTE, _EMPTY)


def _json_one_by_one(column: pa.Array) -> pa.Array:
    """Return values as JSON by Python, for rare cases: texts with control characters, lists and structures."""
    values = [
        None if value is None else json.dumps(_without_nan(value), ensure_ascii=False, default=str, allow_nan=False)
        for value in column.to_pylist()
    ]
    return pa.array(values, pa.large_string())


def _without_nan(value: object) -> object:
    """Return a value with None in place of the numbers that JSON lacks, however deep they lie."""
    match value:
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {key: _without_nan(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_without_nan(inner) for inner in value]
        case _:
            return value


def _text(text: str) -> pa.Scalar:
    return pa.scalar(text, pa.large_string())


_WRITTEN_BY_ARROW = (
    pa.types.is_boolean,
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_decimal,
)
_QUOTE, _EMPTY = _text('"'), _text("")
