"""Reading of Parquet tables with expected columns."""

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from artifacts.errors import DamagedError, FormatError

Columns = Mapping[str, pa.DataType | None]  # expected columns with their types; None allows any type


def read_schema(path: Path) -> pa.Schema:
    """Read the schema of a Parquet file with its key-value metadata, but no rows.

    Raises:
        DamagedError: the file is missing or not Parquet.
    """
    if not path.is_file():
        raise DamagedError(f"{path} is missing; expected a Parquet file there")
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

    Raises:
        FormatError: columns are missing or of a wrong type; the message names all of them.
    """
    missing = [name for name in expected if name not in schema.names]
    if missing:
        raise FormatError(
            f"{path} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}; it has {', '.join(schema.names)}"
        )
    wrong = [
        f"column {name} is {schema.field(name).type}, expected {wanted}"
        for name, wanted in expected.items()
        if wanted is not None and not _converts(schema.field(name).type, wanted)
    ]
    if wrong:
        raise FormatError(f"{path}: {'; '.join(wrong)}")


def read_table(path: Path, expected: Columns, *, columns: list[str] | None = None) -> pa.Table:
    """Read a Parquet file, and check and cast its `expected` columns; other columns are kept.

    Args:
        path: the file.
        expected: name and type of each column that must exist.
        columns: read only these; all of them by default.

    Raises:
        DamagedError: the file is missing or not Parquet.
        FormatError: a column is missing or has a type that does not convert.
    """
    check_columns(path, read_schema(path), expected)
    try:
        table = pq.read_table(path, columns=columns)
        for name, wanted in expected.items():
            position = table.column_names.index(name) if name in table.column_names else -1
            if position >= 0 and wanted is not None and table.schema.field(name).type != wanted:
                table = table.set_column(position, name, table.column(name).cast(wanted))
    except (pa.ArrowException, OSError) as error:
        raise DamagedError(f"{path} cannot be read: {error}") from error
    return table


def _converts(found: pa.DataType, wanted: pa.DataType) -> bool:
    if found == wanted or pa.types.is_null(found):  # a column without values has the type null
        return True
    if pa.types.is_string(wanted):
        is_dictionary = pa.types.is_dictionary(found) and _converts(found.value_type, wanted)
        return bool(is_dictionary or pa.types.is_large_string(found) or pa.types.is_string_view(found))
    if pa.types.is_integer(wanted):
        return bool(pa.types.is_integer(found))
    return bool(pa.types.is_timestamp(wanted) and pa.types.is_timestamp(found))
