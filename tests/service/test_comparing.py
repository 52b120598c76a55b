"""A second version: loaded on demand, one at a time, within its limit, and put away when nobody asks."""

import asyncio
import gc
import threading
import weakref
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from artifacts.store import Store
from service import comparing
from service.answering import FoundProduct, Page, ProductQuery, SearchQuery
from service.comparing import Comparison
from service.errors import ConflictError, DeadlineError, UnknownVersionError, VersionRefusedError
from service.loaded_version import LoadedVersion
from tests.service.shop import Shop
from tests.service.stand_ins import StandInEncoder, stand_in_version

NEAREST = SearchQuery("2", Page(1))


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(test)


def comparison(path: Path, load: object = stand_in_version, most_bytes: int = 10**9) -> Comparison:
    return Comparison(Store(path), load, most_bytes)  # type: ignore[arg-type]


def test_it_searches_what_it_loaded_and_forgets_what_was_before(tmp_path: Path) -> None:
    async def test() -> None:
        workers = threading.active_count()
        second = comparison(tmp_path)
        with pytest.raises(ConflictError, match="no second version is loaded"):
            await second.ask(NEAREST, 5)
        for version_id in ("v1", "v2"):
            await second.begin(version_id)
            answer = await second.ask(NEAREST, 5)
            assert (answer.version_id, answer.found.rows.tolist()) == (version_id, [2])
        assert (await second.ask(ProductQuery("v2-p3"), 5)).found == FoundProduct(3)
        assert second.version
        before = weakref.ref(second.version)
        del answer
        await second.put_away()
        gc.collect()
        assert second.version is None and before() is None
        assert threading.active_count() == workers
        await second.put_away()

    run(test())


def test_one_load_at_a_time(tmp_path: Path) -> None:
    go = threading.Event()

    def load(version_id: str) -> LoadedVersion:
        assert go.wait(10)
        return stand_in_version(version_id)

    async def test() -> None:
        second = comparison(tmp_path, load)
        first = second.begin("v1")
        assert second.loading == "v1"
        with pytest.raises(ConflictError, match="version v1 is being loaded"):
            second.begin("v2")
        go.set()
        await first
        assert second.loading is None
        await second.put_away()

    run(test())


def test_a_version_that_cannot_be_loaded_leaves_room_for_another(tmp_path: Path) -> None:
    def load(version_id: str) -> LoadedVersion:
        if version_id == "bad":
            raise VersionRefusedError("it is damaged")
        return stand_in_version(version_id)

    async def test() -> None:
        second = comparison(tmp_path, load)
        with pytest.raises(VersionRefusedError, match="it is damaged"):
            await second.begin("bad")
        assert (second.loading, second.version) == (None, None)
        await second.begin("good")
        assert (await second.ask(NEAREST, 5)).version_id == "good"
        await second.put_away()

    run(test())


def test_a_version_above_the_limit_is_never_read(shop: Shop, tmp_path: Path) -> None:
    shop.add_version(tmp_path, "v1")
    loaded: list[str] = []

    async def test() -> None:
        second = comparison(tmp_path, lambda version_id: loaded.append(version_id), most_bytes=1000)
        with pytest.raises(VersionRefusedError, match=r"it takes about 0\.\d\d GB .* VITRINE_COMPARE_MB allows more"):
            await second.begin("v1")

    run(test())
    assert loaded == []


def test_an_unknown_version_is_told_by_the_loader(good_store: Path) -> None:
    def load(version_id: str) -> LoadedVersion:
        raise UnknownVersionError(f"no {version_id}")

    async def test() -> None:
        with pytest.raises(UnknownVersionError, match="no none"):
            await comparison(good_store, load).begin("none")

    run(test())


def test_what_nobody_asks_is_put_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparing, "IDLE_SECONDS", 0.3)

    async def test() -> None:
        second = comparison(tmp_path)
        await second.begin("v1")
        for _ in range(4):
            await asyncio.sleep(0.15)
            await second.ask(NEAREST, 5)
        while second.version is not None:  # pytest's own limit ends a wait without end
            await asyncio.sleep(0.02)

    run(test())


def test_a_search_that_takes_long_is_given_up(tmp_path: Path) -> None:
    encoder = StandInEncoder()
    encoder.go.clear()

    async def test() -> None:
        second = comparison(tmp_path, lambda version_id: stand_in_version(version_id, encoder))
        await second.begin("v1")
        with pytest.raises(DeadlineError, match=r"no answer within 0\.05 s"):
            await second.ask(NEAREST, 0.05)
        encoder.go.set()
        assert (await second.ask(NEAREST, 5)).version_id == "v1"
        await second.put_away()

    run(test())
