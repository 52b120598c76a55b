"""Swaps and rollbacks over a real socket, with versions on disk."""

import shutil
import threading
from pathlib import Path

import httpx
import numpy as np
import pytest

from artifacts.store import Store
from service.core.errors import VersionRefusedError
from service.worker.loaded_version import LoadedVersion
from tests.service.running import ADMIN, Running, running_service
from tests.service.shop import PRODUCTS, WIDTH, Shop, save_query_side
from tests.service.stand_ins import stand_in_version
from tests.service.waiting import wait_until

pytestmark = pytest.mark.integration


def check_serves(running: Running, version: str, prefix: str) -> None:
    """Every sign says that this version is served."""
    content = running.search().json()
    assert content["index_version"] == version
    assert {hit["product_id"][0] for hit in content["hits"]} == {prefix}
    assert running.client.get("/ready").json()["index_version"] == version
    assert running.client.get("/health").json()["index_version"] == version
    assert running.client.get("/admin/index", headers=ADMIN).json()["served"]["version"] == version


def test_show_swap_and_rollback(good_store: Path) -> None:
    with running_service(good_store) as running:
        shown = running.client.get("/admin/index", headers=ADMIN).json()
        loaded_at = shown["served"].pop("loaded_at")
        assert loaded_at.endswith("+00:00")
        assert shown == {
            "state": "serving",
            "served": {
                "version": "v1", "created_at": "2026-11-21T00:00:00+00:00", "model": "bibert",
                "model_fingerprint": "f" * 64, "width": WIDTH, "count": PRODUCTS, "index_type": "Flat",
                "encoder_device": "cpu", "index_device": "cpu", "nprobe": None, "k_factor": None,
                "ef_search": None, "recall_at_100": 1.0,
            },
            "previous": [], "loading": None, "published": "v1", "available": ["v1", "v2"],
            "last_attempt": {"kind": "start", "version": "v1", "outcome": "served", "reason": None},
        }  # fmt: skip
        check_serves(running, "v1", "p")

        swapped = running.swap("v2")
        assert swapped.status_code == 200
        assert swapped.json().items() >= {"version": "v2", "replaced": "v1"}.items()
        assert swapped.json()["took_seconds"] > 0
        assert swapped.json()["index_device"] == "cpu"
        assert [running.metric("vitrine_device", part=part, device="cpu") for part in ("encoder", "index")] == [1, 1]
        check_serves(running, "v2", "q")
        assert running.client.get("/admin/index", headers=ADMIN).json()["previous"] == ["v1"]

        back = running.rollback()
        assert back.json().items() >= {"version": "v1", "replaced": "v2"}.items()
        check_serves(running, "v1", "p")

        again = running.rollback()
        assert (again.status_code, again.json()["type"]) == (409, "urn:problem-type:vitrine:conflict")
        assert again.json()["detail"] == ("this process has served no other version to go back to; swap to one by name")
        check_serves(running, "v1", "p")
    assert Store(good_store).publication().current == "v1"


@pytest.fixture(scope="module")
def bad_store(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good version v1, and others each bad in its own way."""
    store = tmp_path_factory.mktemp("bad-store")
    shop.add_version(store, "v1")
    shop.add_version(store, "v2", prefix="q")
    Store(store).publish("v1")

    flipped = store / "versions" / "flipped"
    shutil.copytree(store / "versions" / "v2", flipped)
    content = bytearray((flipped / "index.faiss").read_bytes())
    content[len(content) // 2] ^= 1
    (flipped / "index.faiss").write_bytes(content)

    other = tmp_path_factory.mktemp("other-model") / "query"
    shutil.copytree(shop.query_folder, other)
    save_query_side(other, seed=2, export=False)
    shop.add_version(store, "mixed", query_folder=other)

    vectors = np.random.default_rng(0).normal(size=(PRODUCTS, WIDTH)).astype(np.float32)
    shop.add_version(store, "foreign", vectors=vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    shop.add_version(store, "wide", vectors=np.ones((PRODUCTS, 2 * WIDTH), dtype=np.float32))
    return store


@pytest.mark.parametrize(
    ("version", "status", "kind", "reason"),
    [
        ("flipped", 422, "version-refused", "version flipped: versions/flipped/index.faiss: expected SHA-256 "),
        ("mixed", 422, "version-refused", "version mixed: versions/mixed: the query side has fingerprint "),
        ("foreign", 422, "version-refused", "version foreign: its canary queries find "),
        ("wide", 422, "version-refused", "version wide: its files disagree on the width: 32 by the "),
        ("v9", 404, "unknown-version", "the store has no version 'v9'; it has flipped, foreign, mixed, "),
        ("../v2", 404, "unknown-version", "'../v2' is no version id: expected up to 100 letters"),
        ("", 404, "unknown-version", "'' is no version id: expected up to 100 letters"),
    ],
)
def test_refused_swaps(bad_store: Path, version: str, status: int, kind: str, reason: str) -> None:
    with running_service(bad_store) as running:
        refused = running.swap(version)
        assert refused.headers["content-type"] == "application/problem+json"
        problem = refused.json()
        assert (refused.status_code, problem["type"]) == (status, f"urn:problem-type:vitrine:{kind}")
        assert problem["detail"].startswith(reason)
        assert str(bad_store) not in problem["detail"]
        check_serves(running, "v1", "p")
        assert running.swap("v2").status_code == 200
        check_serves(running, "v2", "q")


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({}, "version is missing: expected the id of a version, a text"),
        ({"version": 2}, "version is 2: expected the id of a version, a text"),
        ({"version": "v2", "force": True}, "force is not a known field"),
    ],
)
def test_bad_bodies(served: Running, body: dict[str, object], detail: str) -> None:
    answer = served.client.post("/admin/index/swap", json=body, headers=ADMIN)
    assert (answer.status_code, answer.json()["detail"]) == (422, detail)


def test_a_start_with_a_bad_version_tells_why_and_a_swap_mends_it(bad_store: Path) -> None:
    Store(bad_store).publish("flipped")
    try:
        with running_service(bad_store, until="waiting") as running:
            reason = running.client.get("/health").json()["reason"]
            assert reason.startswith("version flipped: versions/flipped/index.faiss: expected SHA-256 ")
            assert running.client.get("/ready").json()["detail"] == reason
            assert running.client.get("/admin/index", headers=ADMIN).json()["served"] is None
            assert running.swap("v2").status_code == 200
            check_serves(running, "v2", "q")
    finally:
        Store(bad_store).publish("v1")


def test_one_change_at_a_time(tmp_path: Path) -> None:
    go, loading = threading.Event(), threading.Event()

    def load(version_id: str) -> LoadedVersion:
        if version_id == "slow":
            loading.set()
            assert go.wait(60)
        return stand_in_version(version_id)

    (tmp_path / "CURRENT").write_text('{"version": "v1", "previous": []}')
    with running_service(tmp_path, load=load) as running:
        statuses: list[int] = []
        first = threading.Thread(target=lambda: statuses.append(running.swap("slow").status_code))
        first.start()
        assert loading.wait(60)
        second = running.swap("v3")
        assert (second.status_code, second.json()["detail"]) == (
            409, "version slow is being loaded; try again when that is done"
        )  # fmt: skip
        assert running.rollback().status_code == 409
        assert running.client.get("/admin/index", headers=ADMIN).json()["loading"] == "slow"
        assert running.search("1").json()["index_version"] == "v1"
        go.set()
        first.join(60)
        assert statuses == [200]
        assert running.search("1").json()["index_version"] == "slow"


def test_a_swap_that_takes_long_is_answered_with_a_place_to_ask(tmp_path: Path) -> None:
    (tmp_path / "CURRENT").write_text('{"version": "v1", "previous": []}')
    go = threading.Event()

    def load(version_id: str) -> LoadedVersion:
        if version_id != "v1":
            assert go.wait(60)
        if version_id == "bad":
            raise VersionRefusedError("version bad: index.faiss is damaged")
        return stand_in_version(version_id)

    with running_service(tmp_path, load=load, swap_wait_seconds=0.1) as running:
        for version, outcome, reason in (
            ("v2", "served", None),
            ("bad", "refused", "version bad: index.faiss is damaged"),
        ):
            go.clear()
            answer = running.swap(version)
            assert (answer.status_code, answer.headers["location"]) == (202, "/admin/index")
            assert answer.json() == {"loading": version, "ask": "/admin/index"}
            assert running.swap("v3").status_code == 409
            assert running.client.get("/admin/index", headers=ADMIN).json()["loading"] == version
            go.set()
            wait_until(
                lambda: not running.client.get("/admin/index", headers=ADMIN).json()["loading"], "it still loads"
            )
            shown = running.client.get("/admin/index", headers=ADMIN).json()
            assert shown["last_attempt"] == {"kind": "swap", "version": version, "outcome": outcome, "reason": reason}
            assert shown["served"]["version"] == "v2"


@pytest.mark.parametrize("path", ["/admin/index", "/admin/versions"])
def test_a_slow_disk_holds_no_search(tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    go, entered, answers = threading.Event(), threading.Event(), list[int]()

    def version_ids(store: Store) -> list[str]:
        entered.set()
        assert go.wait(60)
        return ["v1"]

    def show(running: Running) -> None:
        answers.append(httpx.get(f"{running.url}{path}", headers=ADMIN, timeout=60).status_code)

    (tmp_path / "CURRENT").write_text('{"version": "v1", "previous": []}')
    with running_service(tmp_path, load=stand_in_version) as running:
        monkeypatch.setattr(Store, "version_ids", version_ids)
        asking = threading.Thread(target=show, args=(running,))
        asking.start()
        assert entered.wait(60)
        assert running.search("1").status_code == 200
        assert answers == []
        go.set()
        asking.join(60)
    assert answers == [200]
