"""interactions.parquet: the search log, one row per event. Training queries the file and never loads it whole.

A purchase has no position where its product was not shown, but found by browsing.
"""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from artifacts.errors import DamagedError
from artifacts.parquet_folder import parquet_files
from artifacts.row_batches import read_batches
from artifacts.tables import IN_PIECES, Columns, check_columns, check_texts, read_schema

INTERACTION_COLUMNS: Columns = {
    "timestamp": pa.timestamp("us"),
    "session_id": None,  # any type, since sessions are only compared for equality
    "query": pa.string(),
    "product_id": pa.string(),
    "event": pa.string(),  # impression | click | purchase
    "position": pa.int32(),  # rank at which the product was shown, from 1; null if it was not shown
}
# The columns that `training prepare` reads, and that a table of a data warehouse must have.
QUERIED_COLUMNS: Columns = {name: INTERACTION_COLUMNS[name] for name in ("timestamp", "query", "product_id", "event")}
_TEXTS = ("query", "product_id", "event")
_BATCH_ROWS = 65_536
EVENTS = ("impression", "click", "purchase")


def interaction_files(path: Path) -> list[Path]:
    """Return the Parquet files of a search log: the file itself, or all files below a folder that are not hidden.

    Raises:
        DamagedError: the folder has no Parquet file.
    """
    if not path.is_dir():
        return [path]
    files = parquet_files(path)
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


def check_interaction_texts(path: Path) -> None:
    """Read all texts of a search log, and check that they are valid UTF-8, which Parquet files only claim.

    Raises:
        DamagedError: a file cannot be read.
        FormatError: a text is not; the message names file, column and row.
    """
    for file in interaction_files(path):
        try:
            with pq.ParquetFile(file, **IN_PIECES) as opened:
                first_row = 0
                for batch in read_batches(opened, _TEXTS, _BATCH_ROWS):
                    check_texts(file, batch, first_row)
                    first_row += len(batch)
        except (pa.ArrowException, OSError) as error:
            raise DamagedError(f"{file} cannot be read: {error}") from error
