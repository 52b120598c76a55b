"""A second version over a real socket."""

import threading
import time
from pathlib import Path

import pytest

from service.worker.loaded_version import LoadedVersion
from tests.service.running import ADMIN, Running, running_service
from tests.service.stand_ins import stand_in_version

pytestmark = pytest.mark.integration


def load(running: Running, version: str) -> dict[str, object]:
    answer: dict[str, object]
    answer = running.client.post("/admin/compare/load", json={"version": version}, headers=ADMIN).json()
    return answer


def search(running: Running, **fields: object) -> dict[str, object]:
    body = {"query": "red shoes", "k": 3, **fields}
    answer: dict[str, object] = running.client.post("/admin/compare/search", json=body, headers=ADMIN).json()
    return answer


def test_both_versions_are_searched_and_the_shoppers_numbers_stay_theirs(good_store: Path) -> None:
    with running_service(good_store) as running:
        assert search(running)["type"] == "urn:problem-type:vitrine:conflict"
        loaded = load(running, "v2")
        assert loaded == {"version": "v2", "model": "bibert", "loading": None, "most_mb": 2000, "idle_seconds": 900}
        before = running.metric("vitrine_search_seconds_count", stage="search")
        found = search(running, filters={"in_stock": True}, offset=1)
        assert (found["index_version"], found["query"]) == ("v2", "red shoes")
        served = running.search(k=3, filters={"in_stock": True}, offset=1).json()
        assert found["passing"] == served["passing"]
        for second, first in zip(found["hits"], served["hits"], strict=True):  # type: ignore[call-overload]
            assert second["product_id"].replace("q", "p") == first["product_id"]
            assert second["rank"] == first["rank"] and second["score"] == pytest.approx(first["score"], abs=1e-5)
        assert running.metric("vitrine_search_seconds_count", stage="search") == before + 1
        assert running.metric("vitrine_index_version", version="v1") == 1
        unloaded = running.client.post("/admin/compare/unload", headers=ADMIN).json()
        assert unloaded["version"] is None
        assert search(running)["status"] == 409


def test_refusals(good_store: Path) -> None:
    with running_service(good_store, compare_mb=0, in_processes=True) as running:
        refused = load(running, "v2")
        assert (refused["status"], refused["type"]) == (422, "urn:problem-type:vitrine:version-refused")
        assert "VITRINE_COMPARE_MB" in str(refused["detail"])
        assert load(running, "none")["type"] == "urn:problem-type:vitrine:unknown-version"
        assert load(running, "../v1")["type"] == "urn:problem-type:vitrine:unknown-version"
    with running_service(good_store) as running:
        load(running, "v2")
        assert search(running, query="x" * 501)["detail"] == "query has 501 characters: expected at most 500"
        assert search(running, part="photo")["detail"] == "part is 'photo', but the served model knows only text"
        for method, path in (("GET", ""), ("POST", "/load"), ("POST", "/unload"), ("POST", "/search")):
            assert running.client.request(method, f"/admin/compare{path}", json={}).status_code == 401


def test_a_load_that_takes_long_is_answered_with_a_place_to_ask(tmp_path: Path) -> None:
    (tmp_path / "CURRENT").write_text('{"version": "v1", "previous": []}')
    go = threading.Event()

    def slowly(version_id: str) -> LoadedVersion:
        if version_id != "v1":
            assert go.wait(10)
        return stand_in_version(version_id)

    with running_service(tmp_path, load=slowly, swap_wait_seconds=0.1) as running:
        assert load(running, "v2") == {"loading": "v2", "ask": "/admin/compare"}
        assert load(running, "v3")["type"] == "urn:problem-type:vitrine:conflict"
        go.set()
        give_up_at = time.monotonic() + 10
        while running.client.get("/admin/compare", headers=ADMIN).json()["version"] != "v2":
            assert time.monotonic() < give_up_at
            time.sleep(0.02)
        assert search(running, query="1")["index_version"] == "v2"
