"""The same log behind URLs gives the same bytes; what is missing is said in a sentence."""

import sqlite3
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from artifacts.dataset import Dataset
from artifacts.errors import DamagedError, FormatError
from training.errors import LogError
from training.logs.log_source import LogTable, Resources, embedded, log_of, open_log
from training.logs.prepare import prepare

MISSING_DRIVER = "--connection bigquery:// needs a driver that is missing; pip install 'ibis-framework[bigquery]'"


@pytest.fixture(scope="module")
def duckdb_file(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DuckDB with the log in a table of a schema, and a table that lacks columns."""
    path = tmp_path_factory.mktemp("duckdb") / "shop.db"
    with duckdb.connect(str(path)) as database:
        database.execute("CREATE SCHEMA logs")
        database.execute(
            'CREATE TABLE logs.search AS SELECT timestamp AS "TIMESTAMP", query, product_id, event '
            "FROM read_parquet(?)",
            [str(shop / "interactions.parquet")],
        )
        database.execute("CREATE TABLE short AS SELECT query, product_id FROM logs.search")
    return path


@pytest.fixture(scope="module")
def sqlite_file(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sqlite") / "shop.sqlite"
    log = pq.read_table(shop / "interactions.parquet").to_pylist()
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE search (timestamp TIMESTAMP, query TEXT, product_id TEXT, event TEXT)")
        rows = [(row["timestamp"].isoformat(" "), row["query"], row["product_id"], row["event"]) for row in log]
        database.executemany("INSERT INTO search VALUES (?, ?, ?, ?)", rows)
    return path


def prepared(shop: Path, log: LogTable, out: Path) -> Dataset:
    return prepare(shop / "catalog.parquet", log, None, out)


def test_a_duckdb_file_gives_the_same_bytes(shop: Path, dataset: Dataset, duckdb_file: Path, tmp_path: Path) -> None:
    made = prepared(shop, LogTable(f"duckdb://{duckdb_file}", "logs.search"), tmp_path / "data")
    assert made.fingerprint == dataset.fingerprint
    assert made.card.interactions == f"duckdb://{duckdb_file}, table logs.search"


def test_another_backend_gives_the_same_bytes(shop: Path, dataset: Dataset, sqlite_file: Path, tmp_path: Path) -> None:
    made = prepared(shop, LogTable(f"sqlite://{sqlite_file}", "search"), tmp_path / "data")
    assert made.fingerprint == dataset.fingerprint


def test_users_passwords_and_options_are_not_kept() -> None:
    log = LogTable("postgres://ann:secret@host:5432/shop?sslkey=k", "logs.search")
    assert str(log) == "postgres://host:5432/shop, table logs.search"


@pytest.mark.parametrize(
    ("url", "table", "message"),
    [
        ("shop.db", "t", "--connection is 'shop.db'; expected a URL such as duckdb:///shop.db or bigquery://project"),
        ("bigquery://p/d", "t", MISSING_DRIVER),
        ("nosuch://x", "t", "cannot connect to nosuch://x, table t: "),
        ("duckdb:///nowhere/at/all.db", "t", "cannot connect to duckdb:///nowhere/at/all.db, table t: "),
        ("duckdb://{file}", "logs.nothing", "cannot read duckdb://{file}, table logs.nothing: "),
    ],
)
def test_what_is_missing_is_said(url: str, table: str, message: str, duckdb_file: Path, tmp_path: Path) -> None:
    with embedded(tmp_path / "data", Resources()) as connection, pytest.raises(LogError) as caught:
        open_log(LogTable(url.format(file=duckdb_file), table), connection, Resources())
    assert str(caught.value).startswith(message.format(file=duckdb_file))
    assert "\n" not in str(caught.value)


def test_a_table_that_lacks_columns_is_refused(duckdb_file: Path, tmp_path: Path) -> None:
    log = LogTable(f"duckdb://{duckdb_file}", "short")
    with embedded(tmp_path / "data", Resources()) as connection, pytest.raises(FormatError) as caught:
        open_log(log, connection, Resources())
    assert str(caught.value) == f"{log} lacks the columns timestamp, event; it has query, product_id"


def test_an_empty_folder_is_no_log(tmp_path: Path) -> None:
    with embedded(tmp_path / "data", Resources()) as connection, pytest.raises(DamagedError, match="has no Parquet"):
        open_log(tmp_path, connection, Resources())


def test_the_embedded_database_keeps_its_limits_and_cleans_up(tmp_path: Path) -> None:
    with embedded(tmp_path / "data", Resources(memory_gb=0.5, threads=1)) as connection:
        settings = "SELECT current_setting('memory_limit'), current_setting('threads')"
        memory, threads = connection.con.execute(settings).fetchone()
        assert (memory, threads) == ("476.8 MiB", 1)
        assert len(list(tmp_path.iterdir())) == 1
    assert list(tmp_path.iterdir()) == []


def test_too_little_memory_and_no_room_to_spill_is_said(tmp_path: Path) -> None:
    with (
        pytest.raises(LogError, match=r"DuckDB needs more than 0\.1 GB of memory"),
        embedded(tmp_path / "data", Resources(memory_gb=0.1)) as connection,
    ):
        connection.con.execute("SET max_temp_directory_size = '1MB'")
        connection.con.execute("SELECT count(*) FROM (SELECT DISTINCT md5(i::VARCHAR) FROM range(20000000) r(i))")


def test_the_log_that_options_name(tmp_path: Path) -> None:
    assert log_of(tmp_path, None, None) == tmp_path / "interactions.parquet"
    assert log_of(tmp_path, "else.parquet", None) == Path("else.parquet")
    assert log_of(tmp_path, "t", "duckdb://f") == LogTable("duckdb://f", "t")
    with pytest.raises(LogError, match="--connection needs --interactions, the name of the table"):
        log_of(tmp_path, None, "duckdb://f")
