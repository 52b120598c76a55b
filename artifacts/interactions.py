"""interactions.parquet: the search log, one row an event; training reads it in place, never into memory."""

from pathlib import Path

import pyarrow as pa

from artifacts.tables import Columns, check_columns, read_schema

INTERACTION_COLUMNS: Columns = {
    "timestamp": pa.timestamp("us"),
    "session_id": None,  # of any type: sessions are only told apart
    "query": pa.string(),
    "product_id": pa.string(),
    "event": pa.string(),  # impression | click | purchase
    "position": pa.int32(),  # rank at which the product was shown, from 1
}
EVENTS = ("impression", "click", "purchase")


def check_interactions(path: Path) -> None:
    """Check the columns of a search log without reading its rows.

    Raises:
        DamagedError: the file is missing or not Parquet.
        FormatError: a column is missing or has a wrong type.
    """
    check_columns(path, read_schema(path), INTERACTION_COLUMNS)
