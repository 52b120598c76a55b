"""interactions.parquet."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from artifacts.errors import DamagedError, FormatError
from artifacts.interactions import EVENTS, check_interactions, interaction_files

LOG = pa.table(
    {
        "timestamp": pa.array([0], pa.timestamp("us")),
        "session_id": ["s"],
        "query": ["red shoe"],
        "product_id": ["a"],
        "event": pa.array(["purchase"]).dictionary_encode(),
        "position": pa.array([1], pa.int32()),
    }
)


def write(folder: Path, table: pa.Table) -> Path:
    path = folder / "interactions.parquet"
    pq.write_table(table, path)
    return path


@pytest.mark.parametrize(
    "timestamp",
    [pa.timestamp("ns"), pa.timestamp("ms"), pa.timestamp("us", "UTC")],
    ids=str,
)
@pytest.mark.parametrize("session", ["s", 7], ids=["text", "number"])
def test_logs_of_all_usual_types_pass(tmp_path: Path, timestamp: pa.DataType, session: object) -> None:
    log = LOG.set_column(0, "timestamp", pa.array([0], timestamp)).set_column(1, "session_id", [[session]])
    check_interactions(write(tmp_path, log.append_column("device", [["phone"]])))


def test_a_product_that_was_not_shown_has_no_position(tmp_path: Path) -> None:
    check_interactions(write(tmp_path, LOG.set_column(5, "position", pa.array([None], pa.int32()))))


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        (
            LOG.drop_columns(["session_id", "event"]),
            " lacks the columns session_id, event; it has timestamp, query, product_id, position",
        ),
        (
            LOG.set_column(0, "timestamp", [["2026-01-01"]]).set_column(5, "position", [[1.0]]),
            ": column timestamp is string, expected timestamp[us]; column position is double, expected int32",
        ),
    ],
)
def test_wrong_columns_are_named(tmp_path: Path, log: pa.Table, reason: str) -> None:
    path = write(tmp_path, log)
    with pytest.raises(FormatError) as caught:
        check_interactions(path)
    assert str(caught.value) == f"{path}{reason}"


def test_a_missing_log_is_damage(tmp_path: Path) -> None:
    with pytest.raises(DamagedError) as caught:
        check_interactions(tmp_path / "log.parquet")
    assert str(caught.value) == f"{tmp_path / 'log.parquet'} is missing; expected a Parquet file there"


def test_the_events_are_those_of_the_format() -> None:
    assert EVENTS == ("impression", "click", "purchase")


def test_a_folder_is_checked_file_by_file(tmp_path: Path) -> None:
    for name in ("b", "a/c", "_spark", ".hidden/d"):
        (tmp_path / name).mkdir(parents=True)
    good = [write(tmp_path / name, LOG) for name in ("a/c", "b")]
    write(tmp_path / "_spark", LOG.drop_columns(["event"]))
    write(tmp_path / ".hidden/d", LOG.drop_columns(["event"]))
    assert interaction_files(tmp_path) == good
    check_interactions(tmp_path)
    bad = write(tmp_path / "b", LOG.drop_columns(["event"]))
    with pytest.raises(FormatError, match="lacks the column event") as caught:
        check_interactions(tmp_path)
    assert str(caught.value).startswith(str(bad))
