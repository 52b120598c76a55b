"""Folders of Parquet files, as data warehouses write them."""

import re
import urllib.parse
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

_SUFFIX = ".parquet"  # in any case
_NULL = "__HIVE_DEFAULT_PARTITION__"
_WHOLE_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,17}")


def parquet_files(folder: Path) -> list[Path]:
    """Return the Parquet files in a folder and below it, by name, whatever the case of their suffix.

    Files and folders that begin with a dot or an underscore are left out: Spark writes such for itself.
    """
    return sorted(
        file
        for file in folder.rglob("*")
        if file.suffix.lower() == _SUFFIX and file.is_file() and not _is_hidden(file.relative_to(folder))
    )


def partition_columns(folder: Path, files: Sequence[Path]) -> dict[str, dict[Path, int | str | None]]:
    """Return the columns that the names of folders give, as Hive writes them: `country=de/part-0.parquet`.

    Args:
        folder: the folder.
        files: its Parquet files.

    Returns:
        For each column the value of each file: a whole number where all values are, otherwise text.
    """
    texts: dict[str, dict[Path, str | None]] = {}
    for file in files:
        for part in file.relative_to(folder).parts[:-1]:
            name, equals, value = part.partition("=")
            if equals and name:
                decoded = None if value == _NULL else urllib.parse.unquote(value)
                texts.setdefault(urllib.parse.unquote(name), {})[file] = decoded
    return {name: _numbers(values) or dict(values) for name, values in texts.items()}


def partition_type(values: dict[Path, int | str | None]) -> pa.DataType:
    """Return the type of a column of `partition_columns`."""
    return pa.int64() if any(isinstance(value, int) for value in values.values()) else pa.string()


def _numbers(texts: dict[Path, str | None]) -> dict[Path, int | str | None] | None:
    """Return values as whole numbers; None where one of them is none."""
    if not all(text is None or _WHOLE_NUMBER.fullmatch(text) for text in texts.values()):
        return None
    return {file: None if text is None else int(text) for file, text in texts.items()}


def _is_hidden(path: Path) -> bool:
    return any(part.startswith((".", "_")) for part in path.parts)
