"""Relevance labels given by people, in an SQLite file with one row for each query and product.

Queries come in their one form (artifacts/query_text.py). Files of earlier versions, which only joined blanks, get it
when they are opened.
"""

import datetime
import io
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from artifacts.judgments import JUDGMENT_COLUMNS, Relevance
from artifacts.query_text import normalise_query
from service.core.errors import SettingsError

_SCHEMA_VERSION = 1
_WAIT_SECONDS = 5.0  # for another process to finish writing
_TABLE = """
CREATE TABLE judgments (
  query TEXT NOT NULL, product_id TEXT NOT NULL, label TEXT NOT NULL CHECK (label IN ('E', 'S', 'C', 'I')),
  judged_at TEXT NOT NULL, index_version TEXT NOT NULL, PRIMARY KEY (query, product_id)
) WITHOUT ROWID
"""
_MERGE = """
INSERT INTO judgments SELECT ?, product_id, label, judged_at, index_version FROM judgments WHERE query = ?
ON CONFLICT (query, product_id) DO UPDATE SET label = excluded.label, judged_at = excluded.judged_at,
index_version = excluded.index_version WHERE excluded.judged_at > judgments.judged_at
"""
_COLUMNS = {**JUDGMENT_COLUMNS, "judged_at": pa.timestamp("s", "UTC"), "index_version": pa.string()}


class JudgmentFile:
    """Labels by query and product. Any thread may call its methods, which block on the disk.

    Args:
        path: The file, which is created if it is missing.

    Raises:
        SettingsError: The file cannot be opened, or is no file of judgments.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with self._open() as connection:
                _prepare(connection)
        except (sqlite3.Error, ValueError) as error:
            raise SettingsError([f"VITRINE_JUDGMENTS is {str(path)!r}: no file of judgments: {error}"]) from error

    def put(self, query: str, product_id: str, label: Relevance | None, index_version: str) -> None:
        """Set the label of a product for a query in the place of an earlier one, or remove it with None."""
        with self._open() as connection:
            connection.execute("DELETE FROM judgments WHERE query = ? AND product_id = ?", (query, product_id))
            if label is not None:
                now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
                row = (query, product_id, label.value, now, index_version)
                connection.execute("INSERT INTO judgments VALUES (?, ?, ?, ?, ?)", row)

    def labels(self, query: str) -> dict[str, str]:
        """Return the labels of a query by product id."""
        with self._open() as connection:
            asked = "SELECT product_id, label FROM judgments WHERE query = ?"
            return dict(connection.execute(asked, (query,)).fetchall())

    def counts(self) -> tuple[int, dict[str, int]]:
        """Return how many queries have labels, and how often each label was given."""
        with self._open() as connection:
            ((queries,),) = connection.execute("SELECT count(DISTINCT query) FROM judgments").fetchall()
            found = dict(connection.execute("SELECT label, count(*) FROM judgments GROUP BY label").fetchall())
        return queries, {label.value: found.get(label.value, 0) for label in Relevance}

    def export(self) -> bytes:
        """Return judgments.parquet, whose metadata says that absent pairs are unknown: nobody judges all products."""
        with self._open() as connection:
            rows = connection.execute("SELECT * FROM judgments ORDER BY query, product_id").fetchall()
        columns = list(zip(*rows, strict=True)) or [()] * len(_COLUMNS)
        values = dict(zip(_COLUMNS, columns, strict=True))
        times = [datetime.datetime.fromisoformat(text) for text in values["judged_at"]]
        schema = pa.schema(list(_COLUMNS.items()), metadata={"absent": "unknown"})
        sink = io.BytesIO()
        pq.write_table(pa.table({**values, "judged_at": times}, schema=schema), sink)
        return sink.getvalue()

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Open a connection for one transaction: its changes are all kept, or none is."""
        connection = sqlite3.connect(self._path, timeout=_WAIT_SECONDS)
        try:
            with connection:
                yield connection
        finally:
            connection.close()


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")  # another process may start at the same time
    ((version,),) = connection.execute("PRAGMA user_version").fetchall()
    ((tables,),) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
    if version == 0 and tables == 0:
        connection.execute(_TABLE)
        connection.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
    elif version != _SCHEMA_VERSION:
        raise ValueError(f"its schema version is {version}, this Vitrine reads {_SCHEMA_VERSION}")
    ((health,),) = connection.execute("PRAGMA quick_check(1)").fetchall()
    if health != "ok":
        raise ValueError(f"it is damaged: {health}")
    _normalise_queries(connection)


def _normalise_queries(connection: sqlite3.Connection) -> None:
    """Give each query its one form. Of two labels of a product that meet under one query, the later one stays."""
    for (query,) in connection.execute("SELECT DISTINCT query FROM judgments").fetchall():
        normalised = normalise_query(query)
        if normalised == query:
            continue
        if normalised:
            connection.execute(_MERGE, (normalised, query))
        connection.execute("DELETE FROM judgments WHERE query = ?", (query,))
