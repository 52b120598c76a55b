"""Reading of Parquet tables with expected columns."""

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from artifacts.errors import DamagedError, FormatError
from artifacts.plain_types import plain_inside

Columns = Mapping[str, pa.DataType | None]  # expected columns with their types; None allows any type
# How Parquet files are read: column by column in pieces, where Arrow would hold whole row groups beside their values.
IN_PIECES = {"pre_buffer": False, "buffer_size": 1 << 20}


def read_schema(path: Path) -> pa.Schema:
    """Read the schema of a Parquet file with its key-value metadata, but no rows.

    Raises:
        DamagedError: the file is missing or not Parquet.
    """
    if not path.is_file():
        found = "a folder" if path.is_dir() else "missing"
        raise DamagedError(f"{path} is {found}; expected a Parquet file there")
    try:
        return pq.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        raise DamagedError(f"{path} cannot be read as Parquet: {error}") from error


def count_rows(path: Path) -> int:
    """Return the number of rows of a Parquet file without reading them.

    Raises:
        DamagedError: the file is missing or not Parquet.
    """
    read_schema(path)
    return int(pq.read_metadata(path).num_rows)


def check_columns(path: Path | str, schema: pa.Schema, expected: Columns) -> None:
    """Check that every expected column exists with a type that converts to the expected one.

    Product ids that are whole numbers convert to text.

    Raises:
        FormatError: columns are missing, of a wrong type or there twice; the message names all of them.
    """
    twice = sorted({name for name in schema.names if schema.names.count(name) > 1})
    if twice:
        raise FormatError(f"{path} has the column{'s' * (len(twice) > 1)} {', '.join(twice)} more than once")
    missing = [name for name in expected if name not in schema.names]
    if missing:
        raise FormatError(
            f"{path} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}; it has {', '.join(schema.names)}"
        )
    wrong = [
        f"column {name} is {schema.field(name).type}, expected {wanted}"
        for name, wanted in expected.items()
        if wanted is not None and not _converts(name, schema.field(name).type, wanted)
    ]
    if wrong:
        raise FormatError(f"{path}: {'; '.join(wrong)}")


def read_table(path: Path, expected: Columns, *, columns: list[str] | None = None) -> pa.Table:
    """Read a Parquet file, and check and cast its `expected` columns; other columns are kept, in plain types.

    Args:
        path: the file.
        expected: name and type of each column that must exist.
        columns: read only these; all of them by default.

    Raises:
        DamagedError: the file is missing or not Parquet.
        FormatError: a column is missing, has a type that does not convert, or holds text that is not valid UTF-8.
    """
    check_columns(path, read_schema(path), expected)
    try:
        table = pq.read_table(path, columns=columns, **IN_PIECES)
        for position, column in enumerate(table.schema):
            wanted = expected.get(column.name) or plain_inside(column.type)
            if column.type != wanted:
                table = table.set_column(position, column.name, table.column(position).cast(wanted))
    except (pa.ArrowException, OSError) as error:
        raise DamagedError(f"{path} cannot be read: {error}") from error
    check_texts(path, table)
    return table


def check_texts(path: Path | str, rows: pa.Table | pa.RecordBatch, first_row: int = 0) -> None:
    """Check that all texts of some rows are valid UTF-8, which Parquet files only claim.

    Args:
        path: the file that the rows are from.
        rows: the rows.
        first_row: number of rows before them in the file.

    Raises:
        FormatError: one is not; the message names file, column, row (from 1) and product.
    """
    for name, column in zip(rows.schema.names, rows.columns, strict=True):
        if not _holds_text(column.type) or _is_valid(column):
            continue
        if pa.types.is_dictionary(column.type):  # whose values need not all be used
            column = column.cast(column.type.value_type)
            if _is_valid(column):
                continue
        row = next((row for row in range(len(column)) if not _is_valid(column.take(pa.array([row])))), 0)
        raise FormatError(
            f"{path}: column {name} is not valid UTF-8 in row {first_row + row + 1:,}{_named(rows, row)}"
            f"{_bytes_of(column, row)}; write texts as UTF-8"
        )


def is_text(kind: pa.DataType) -> bool:
    """Return whether a type is one of those in which Arrow keeps texts; a dictionary of texts is none."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_valid(column: pa.Array | pa.ChunkedArray) -> bool:
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _holds_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _holds_text(kind.value_type)
    if pa.types.is_nested(kind):
        return any(_holds_text(kind.field(number).type) for number in range(kind.num_fields))
    return is_text(kind)


def _named(rows: pa.Table | pa.RecordBatch, row: int) -> str:
    """Return the product of a row for a message, where it has one that can be printed."""
    if "product_id" not in rows.schema.names:
        return ""
    try:
        return f" (product {rows.column('product_id')[row].as_py()!r})"
    except UnicodeDecodeError:
        return ""


def _bytes_of(column: pa.Array | pa.ChunkedArray, row: int) -> str:
    """Return the bytes of a text for a message; nothing for a text inside a list or struct."""
    value = column[row]
    content = value.as_buffer() if hasattr(value, "as_buffer") else None
    return f": {content.to_pybytes()[:60]!r}" if content else ""


def _converts(name: str, found: pa.DataType, wanted: pa.DataType) -> bool:
    if found == wanted or pa.types.is_null(found):  # a column without values has the type null
        return True
    if pa.types.is_string(wanted):
        if name == "product_id" and pa.types.is_integer(found):
            return True
        is_dictionary = pa.types.is_dictionary(found) and _converts("", found.value_type, wanted)
        return bool(is_dictionary or pa.types.is_large_string(found) or pa.types.is_string_view(found))
    if pa.types.is_integer(wanted):
        return bool(pa.types.is_integer(found))
    return bool(pa.types.is_timestamp(wanted) and pa.types.is_timestamp(found))
