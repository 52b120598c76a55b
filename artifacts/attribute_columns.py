"""The attribute columns of a catalogue as filters use them: text, numbers, and true or false.

The service reads them when it loads a version, and the gate of the index builder reads them before it publishes one.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from artifacts.catalog import CATALOG_COLUMNS
from artifacts.errors import FormatError
from artifacts.tables import is_text

Present = npt.NDArray[np.bool_]  # shape (count,): which rows have a value
FilterKind = Literal["text", "number", "boolean", "other"]


@dataclass(frozen=True, eq=False)
class TextValues:
    """Text, stored as codes, which are positions in the list of distinct values; -1 stands for null."""

    codes: npt.NDArray[np.int32]
    distinct: pa.Array


@dataclass(frozen=True, eq=False)
class BooleanValues:
    """True or false by row."""

    values: npt.NDArray[np.bool_]
    present: Present


@dataclass(frozen=True, eq=False)
class NumberValues:
    """Numbers by row, in the type that the file has; decimals are float64."""

    values: npt.NDArray[Any]
    present: Present


@dataclass(frozen=True)
class OtherValues:
    """A column whose type no filter supports."""

    kind: str


AttributeValues = TextValues | BooleanValues | NumberValues | OtherValues


def attribute_names(schema: pa.Schema) -> list[str]:
    """Return the names of the attribute columns: all but id, title and image."""
    return [name for name in schema.names if name not in CATALOG_COLUMNS]


def filter_kind(column_type: pa.DataType) -> FilterKind:
    """Return as what a filter uses a column of this type; a dictionary counts as its values."""
    kind = column_type.value_type if pa.types.is_dictionary(column_type) else column_type
    if is_text(kind):
        return "text"
    if pa.types.is_boolean(kind):
        return "boolean"
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    return "number" if is_number else "other"


def read_attribute(name: str, column: pa.ChunkedArray) -> AttributeValues:
    """Read an attribute column.

    Raises:
        FormatError: its values cannot be read; the message names the column.
    """
    try:
        return _read(column)
    except (pa.ArrowException, ValueError) as error:
        raise FormatError(f"column {name} of the products cannot be used by filters: {error}") from error


def _read(column: pa.ChunkedArray) -> AttributeValues:
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    match filter_kind(kind):
        case "text":
            return _read_text(column.cast(pa.large_string()))
        case "boolean":
            return BooleanValues(*_values_and_presence(column.cast(kind), False))
        case "number":
            column = column.cast(kind)
            if pa.types.is_decimal(kind):
                # By way of text: Arrow's direct cast divides, which turns 19.99 into 19.990000000000002.
                column = column.cast(pa.string()).cast(pa.float64())
            return NumberValues(*_values_and_presence(column, 0))
        case "other":
            return OtherValues(str(kind))


def _read_text(column: pa.ChunkedArray) -> TextValues:
    encoded = column.dictionary_encode()  # with one dictionary for all chunks
    distinct = encoded.chunk(0).dictionary if encoded.num_chunks else pa.array([], pa.large_string())
    distinct.validate(full=True)  # the text must be UTF-8
    codes = pa.chunked_array([chunk.indices for chunk in encoded.chunks], pa.int32())
    return TextValues(pc.fill_null(codes, -1).to_numpy(), distinct)


def _values_and_presence(column: pa.ChunkedArray, placeholder: object) -> tuple[npt.NDArray[Any], Present]:
    """Return the values, with a placeholder for each null, and which of them are not null."""
    return pc.fill_null(column, placeholder).to_numpy(), pc.is_valid(column).to_numpy()
