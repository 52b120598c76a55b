"""GET /health, /ready and /metrics in every state."""

import threading
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from service.worker.loaded_version import LoadedVersion
from tests.service.running import Running, running_service
from tests.service.shop import Shop
from tests.service.stand_ins import stand_in_version

pytestmark = pytest.mark.integration


def states(running: Running) -> tuple[object, object, object]:
    """Return the answer of /health and the statuses of /ready and /search."""
    health = running.client.get("/health")
    assert health.status_code == 200
    return health.json(), running.client.get("/ready").status_code, running.search("1").status_code


def test_serving(served: Running) -> None:
    assert states(served) == ({"state": "serving", "index_version": "v1", "reason": None}, 200, 200)
    assert served.client.get("/ready").json() == {"state": "serving", "index_version": "v1"}


def test_starting(tmp_path: Path) -> None:
    go = threading.Event()

    def load(version_id: str) -> LoadedVersion:
        assert go.wait(120)
        return stand_in_version(version_id)

    (tmp_path / "CURRENT").write_text('{"version": "v1", "previous": []}')
    with running_service(tmp_path, until="starting", load=load) as running:
        try:
            reason = "the published version is being loaded"
            expected = {"state": "starting", "index_version": None, "reason": reason}
            assert states(running) == (expected, 503, 503)
            for answer in (running.client.get("/ready"), running.search("1")):
                assert answer.json()["detail"] == reason
                assert answer.json()["type"] == "urn:problem-type:vitrine:not-ready"
                assert answer.headers["retry-after"] == "1"
            assert running.swap("v2").status_code == 409
        finally:
            go.set()


def test_an_empty_store_waits_for_a_swap(tmp_path: Path, shop: Shop) -> None:
    with running_service(tmp_path, until="waiting") as running:
        reason = "the store publishes no version"
        assert states(running) == ({"state": "waiting", "index_version": None, "reason": reason}, 503, 503)
        assert running.search().json()["detail"] == reason
        shop.add_version(tmp_path, "v1")
        assert running.swap("v1").json()["replaced"] is None
        assert states(running) == ({"state": "serving", "index_version": "v1", "reason": None}, 200, 200)
    assert not (tmp_path / "CURRENT").exists()  # the service never writes to the store


def test_draining(tmp_path: Path, good_store: Path) -> None:
    with running_service(good_store) as running:
        running.service.swapper.drain()
        health, ready, search = states(running)
        assert health == {"state": "draining", "index_version": "v1", "reason": None}
        assert (ready, search) == (503, 200)
        assert running.client.get("/ready").json()["detail"] == "the process is about to stop"
        assert running.swap("v2").status_code == 503


def test_metrics_move(good_store: Path) -> None:
    with running_service(good_store) as running:
        text = running.client.get("/metrics").text
        families = {family.name for family in text_string_to_metric_families(text)}
        assert {"process_resident_memory_bytes", "vitrine_requests", "vitrine_queue_depth"} <= families
        for query in ("red shoes", "blue bag", "lamp"):
            assert running.search(query).status_code == 200
        assert running.search("lamp").status_code == 200  # which the cache answers
        running.search(k=0)
        running.client.get("/no/such/path/123")
        running.swap("v2")
        running.swap("v9")
        expected = [
            ("vitrine_requests_total", {"route": "/search", "status": "200"}, 4),
            ("vitrine_requests_total", {"route": "/search", "status": "422"}, 1),
            ("vitrine_requests_total", {"route": "unmatched", "status": "404"}, 1),
            ("vitrine_requests_total", {"route": "/admin/index/swap", "status": "404"}, 1),
            ("vitrine_batch_size_count", {}, 3),
            ("vitrine_batch_size_sum", {}, 3),
            ("vitrine_cache_lookups_total", {"outcome": "miss"}, 3),
            ("vitrine_cache_lookups_total", {"outcome": "hit"}, 1),
            ("vitrine_queue_depth", {}, 0),
            ("vitrine_index_products", {}, 90),
            ("vitrine_index_version", {"version": "v2", "model": "bibert"}, 1),
            ("vitrine_index_version", {"version": "v1"}, 0),
            ("vitrine_version_changes_total", {"kind": "start", "outcome": "served"}, 1),
            ("vitrine_version_changes_total", {"kind": "swap", "outcome": "served"}, 1),
            ("vitrine_version_changes_total", {"kind": "swap", "outcome": "refused"}, 1),
        ]
        found = [(name, labels, running.metric(name, **labels)) for name, labels, _ in expected]
        assert found == expected
        stages = ("queue", "encode", "search", "render")
        for stage, count in {**dict.fromkeys(stages, 3), "total": 4}.items():
            assert running.metric("vitrine_search_seconds_count", stage=stage) == count
        name = "vitrine_search_seconds_sum"
        parts = [running.metric(name, stage=stage) for stage in stages]
        assert min(parts) > 0
        assert sum(parts) < running.metric(name, stage="total")
