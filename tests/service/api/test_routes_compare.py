"""A second version over a real socket."""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.worker.loaded_version import LoadedVersion
from tests.service.running import ADMIN, Running, running_service
from tests.service.stand_ins import StandInEncoder, stand_in_version
from tests.service.waiting import wait_until

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
            assert go.wait(60)
        return stand_in_version(version_id)

    with running_service(tmp_path, load=slowly, swap_wait_seconds=0.1) as running:
        assert load(running, "v2") == {"loading": "v2", "ask": "/admin/compare"}
        assert load(running, "v3")["type"] == "urn:problem-type:vitrine:conflict"
        go.set()
        wait_until(
            lambda: running.client.get("/admin/compare", headers=ADMIN).json()["version"] == "v2", "v2 is not loaded"
        )
        assert search(running, query="1")["index_version"] == "v2"


def test_the_deadline_counts_for_the_second_version_too(tmp_path: Path) -> None:
    encoder = StandInEncoder()
    with compared(tmp_path, encoder, deadline_seconds=0.3) as running:
        encoder.go.clear()
        late = search(running, query="0")
        assert (late["status"], late["detail"]) == (503, "no answer within 0.3 s; try again in a moment")
        encoder.go.set()


def test_a_search_of_the_second_version_whose_client_hangs_up_is_given_up(tmp_path: Path) -> None:
    encoder = StandInEncoder()
    with compared(tmp_path, encoder, deadline_seconds=60) as running:
        encoder.go.clear()
        for query in ("0", "1"):  # the first is held by the encoder, the second waits in the queue
            with pytest.raises(httpx.ReadTimeout):
                body = {"query": query}
                running.client.post("/admin/compare/search", json=body, headers=ADMIN, timeout=0.1)
            assert encoder.entered.wait(120)
        wait_until(
            lambda: running.metric("vitrine_requests_total", route="/admin/compare/search", status="499") == 2,
            "the service did not notice that its clients have gone",
        )
        encoder.go.set()
        assert search(running, query="2")["index_version"] == "v2"
        assert encoder.batches == [["0"], ["2"]], "what was given up in the queue is not searched"


@contextlib.contextmanager
def compared(store: Path, encoder: StandInEncoder, **settings: object) -> Iterator[Running]:
    """A service of v1 whose second version, v2, has this encoder and one search thread."""
    (store / "CURRENT").write_text('{"version": "v1", "previous": []}')

    def with_encoder(version_id: str) -> LoadedVersion:
        return stand_in_version(version_id, encoder if version_id == "v2" else None)

    with running_service(store, load=with_encoder, search_threads=1, **settings) as running:
        load(running, "v2")
        yield running
        encoder.go.set()
