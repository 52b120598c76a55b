"""interactions.parquet: the search log, one row an event; training reads it in place, never into memory."""

from pathlib import Path

import pyarrow as pa

from artifacts.errors import DamagedError
from artifacts.tables import Columns, check_columns, read_schema

INTERACTION_COLUMNS: Columns = {
    "timestamp": pa.timestamp("us"),
    "session_id": None,  # of any type: sessions are only told apart
    "query": pa.string(),
    "product_id": pa.string(),
    "event": pa.string(),  # impression | click | purchase
    "position": pa.int32(),  # rank at which the product was shown, from 1
}
# What `training prepare` reads of them, so all that a warehouse table must have.
QUERIED_COLUMNS: Columns = {name: INTERACTION_COLUMNS[name] for name in ("timestamp", "query", "product_id", "event")}
EVENTS = ("impression", "click", "purchase")


def interaction_files(path: Path) -> list[Path]:
    """The Parquet files of a search log: the file itself, or all below a folder but those with a hidden name.

    Raises:
        DamagedError: a folder without a Parquet file.
    """
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.rglob("*.parquet") if not _is_hidden(file.relative_to(path)))
    if not files:
        raise DamagedError(f"{path} has no Parquet file; expected the files of a search log there")
    return files


def check_interactions(path: Path) -> None:
    """Check the columns of a search log, a file or a folder of them, without reading its rows.

    Raises:
        DamagedError: a file is missing or not Parquet.
        FormatError: a column is missing or has a wrong type.
    """
    for file in interaction_files(path):
        check_columns(file, read_schema(file), INTERACTION_COLUMNS)


def _is_hidden(path: Path) -> bool:
    """Whether a part of the path begins with a dot or an underscore, as what Spark writes for itself does."""
    return any(part.startswith((".", "_")) for part in path.parts)
