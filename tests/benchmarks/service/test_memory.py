"""That memory is looked at after each swap of the real service."""

import json
import os
from pathlib import Path

import pytest

from benchmarks.service import memory as service_memory
from benchmarks.service.memory import Swapped, swap_often
from benchmarks.service.servers import Server
from tests.service.running import TOKEN, running_service
from tests.service.shop import QUERIES, Shop, save_query_side


def test_growth_counts_from_the_second_swap() -> None:
    assert Swapped((1.0, 2.0, 3.0, 2.1), (0.1,) * 4).growth == pytest.approx(1.05)


@pytest.mark.integration
def test_swaps_of_the_real_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_query_side(tmp_path / "query", seed=1)
    for version in ("one", "two"):
        Shop(tmp_path / "query").add_version(tmp_path / "store", version)
    (tmp_path / "store" / "CURRENT").write_text(json.dumps({"version": "one", "previous": []}))
    monkeypatch.setattr(service_memory, "ADMIN_TOKEN", TOKEN)
    with running_service(tmp_path / "store") as running:
        server = Server(running.url, os.getpid(), tmp_path / "log")
        swapped = swap_often(server, ["two", "one"], 3, QUERIES)
        assert running.metric("vitrine_version_changes_total", kind="swap", outcome="served") == 3
        assert running.metric("vitrine_requests_total", route="/search", status="200") == 3 * len(QUERIES)
    assert len(swapped.resident_gb) == len(swapped.swap_s) == 3
    assert all(0.05 < size < 10 for size in swapped.resident_gb) and 0.5 < swapped.growth < 2
