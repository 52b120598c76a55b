"""The source of a search log: Parquet files read by an embedded DuckDB, or a table of a database that Ibis reads."""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import duckdb
import ibis

from artifacts.cores import usable_cores
from artifacts.interactions import QUERIED_COLUMNS, check_interactions, interaction_files
from artifacts.tables import check_columns
from training.errors import LogError


@dataclass(frozen=True)
class LogTable:
    """A table of a database or warehouse, in the columns of interactions.parquet.

    Attributes:
        url: the argument of `ibis.connect`, such as duckdb:///shop.db, bigquery://project/dataset or pyspark://.
        name: the table's name; dots separate a catalogue, a database and the table.
    """

    url: str
    name: str

    def __str__(self) -> str:
        """Return URL and table without user, password and options, for messages and dataset.json."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}, table {self.name}"


def log_of(shop: Path, interactions: str | None, url: str | None) -> Path | LogTable:
    """Return the log that the options name; by default the shop's interactions.parquet.

    Raises:
        LogError: a URL is given without a table.
    """
    if url is None:
        return Path(interactions) if interactions else shop / "interactions.parquet"
    if not interactions:
        raise LogError("--connection needs --interactions, the name of the table")
    return LogTable(url, interactions)


@dataclass(frozen=True)
class Resources:
    """The memory and threads that the embedded DuckDB may use.

    Attributes:
        memory_gb: GB of memory beyond which it writes to a temporary folder; the rest of the program is not counted.
        threads: number of threads; None: one for each core that the process may use.
    """

    memory_gb: float = 2.0
    threads: int | None = None


@contextmanager
def embedded(beside: Path, resources: Resources) -> Iterator[Any]:
    """Open a DuckDB in memory that spills into a folder beside `beside`, which is removed afterwards."""
    beside.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=beside.parent, prefix=f".{beside.name}.spill."))
    connection = ibis.duckdb.connect()
    try:
        _limit(connection, folder, resources)
        yield connection
    except duckdb.OutOfMemoryException as error:
        raise LogError(
            f"DuckDB needs more than {resources.memory_gb:g} GB of memory, or more space in {beside.parent}; "
            "give it more with --memory"
        ) from error
    finally:
        connection.disconnect()
        shutil.rmtree(folder, ignore_errors=True)


def open_log(log: Path | LogTable, connection: Any, resources: Resources) -> Any:
    """Return the log as an Ibis table with checked columns.

    Args:
        log: a Parquet file, a folder of them, or a table of a database.
        connection: the embedded DuckDB, which reads Parquet.
        resources: limits that also apply to a DuckDB given by URL, which spills into the same folder.

    Raises:
        LogError: the URL, its driver, the database or the table is missing.
        ArtifactError: a file is missing or not in its format.
    """
    if isinstance(log, Path):
        check_interactions(log)
        return connection.read_parquet([str(file) for file in interaction_files(log)], union_by_name=True)
    backend = _connect(log)
    if backend.name == "duckdb":
        spill = connection.con.execute("SELECT current_setting('temp_directory')").fetchone()[0]
        _limit(backend, Path(spill), resources)
    elif backend.name == "sqlite":  # has no MD5, and runs in this process
        backend.con.create_function("md5", 1, _md5_text, deterministic=True)
    table = _table(backend, log)
    check_columns(str(log), table.schema().to_pyarrow(), QUERIED_COLUMNS)
    return table.select(*QUERIED_COLUMNS)


def _limit(connection: Any, folder: Path, resources: Resources) -> None:
    threads = resources.threads or usable_cores()
    connection.con.execute(f"SET memory_limit = '{resources.memory_gb}GB'")
    connection.con.execute(f"SET threads = {threads}")
    connection.con.execute("SET temp_directory = ?", [str(folder)])
    connection.con.execute("SET preserve_insertion_order = false")


def _connect(log: LogTable) -> Any:
    scheme = urlsplit(log.url).scheme
    if not scheme:
        raise LogError(f"--connection is {log.url!r}; expected a URL such as duckdb:///shop.db or bigquery://project")
    try:
        return ibis.connect(log.url)
    except ImportError as error:
        raise LogError(
            f"--connection {scheme}:// needs a driver that is missing; pip install 'ibis-framework[{scheme}]'"
        ) from error
    except Exception as error:  # each driver has its own family of errors
        raise LogError(f"cannot connect to {log}: {_first_line(error)}") from error


def _table(backend: Any, log: LogTable) -> Any:
    """Return the table, with column names in lower case where the database has them in upper case."""
    *database, name = log.name.split(".")
    try:
        table = backend.table(name, database=tuple(database) or None)
    except Exception as error:  # each driver has its own family of errors
        raise LogError(f"cannot read {log}: {_first_line(error)}") from error
    upper_case = {name: name.upper() for name in QUERIED_COLUMNS if name not in table.columns}
    return table.rename({name: upper for name, upper in upper_case.items() if upper in table.columns})


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _md5_text(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
