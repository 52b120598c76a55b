"""The generated log is one that `training prepare` reads, in the order that was asked for."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from artifacts.interactions import EVENTS, check_interactions
from benchmarks.prepare.search_log import write_shop


@pytest.mark.integration  # writes the whole catalogue
@pytest.mark.parametrize("sorted_by_time", [True, False])
def test_a_log_of_the_format_and_the_size_asked_for(tmp_path: Path, sorted_by_time: bool) -> None:
    write_shop(tmp_path / "shop", 5000, sorted_by_time=sorted_by_time)
    check_interactions(tmp_path / "shop" / "interactions.parquet")
    log = pq.read_table(tmp_path / "shop" / "interactions.parquet").to_pydict()
    assert len(log["query"]) == 5000 and set(log["event"]) == set(EVENTS)
    assert (log["timestamp"] == sorted(log["timestamp"])) == sorted_by_time
    assert (min(log["timestamp"]).year, max(log["timestamp"]).year) == (2025, 2026)
