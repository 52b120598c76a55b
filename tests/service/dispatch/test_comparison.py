"""A second version: loaded on request, one at a time, within its limit, and unloaded when it is not used."""

import asyncio
import gc
import math
import threading
import weakref
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from artifacts.store import Store
from service.core.device import Device
from service.core.errors import ConflictError, NotReadyError, UnknownVersionError, VersionRefusedError
from service.core.logs import RequestIds, current_request
from service.dispatch.comparison import IDLE_SECONDS, Comparison
from service.dispatch.version_process import VersionProcess
from service.protocol.answers import RenderedAnswer
from service.protocol.queries import Page, ProductQuery, Query, SearchQuery
from service.worker.loaded_version import LoadedVersion, load_version
from tests.service.in_threads import Loader, in_threads
from tests.service.stand_ins import stand_in_version, submit
from tests.service.unresponsive import UnresponsiveWorkers
from tests.service.virtual_clock import run_on_virtual_clock
from tests.service.waiting import WAIT_SECONDS, threads_ended

NEAREST = SearchQuery("2", Page(1))


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 2 * WAIT_SECONDS))


def comparison(load: Loader = stand_in_version) -> Comparison:
    return Comparison(in_threads(load))


async def search(second: Comparison, query: Query = NEAREST) -> RenderedAnswer:
    return (await submit(second.use_batcher(), query)).answer


def test_it_searches_what_it_loaded_and_forgets_what_was_before() -> None:
    loaded: list[weakref.ref[LoadedVersion]] = []

    def load(version_id: str) -> LoadedVersion:
        version = stand_in_version(version_id)
        loaded.append(weakref.ref(version))
        return version

    async def test() -> None:
        threads = set(threading.enumerate())
        second = comparison(load)
        with pytest.raises(ConflictError, match="no second version is loaded"):
            await search(second)
        for version_id in ("v1", "v2"):
            await second.start_loading(version_id)
            answer = await search(second)
            assert answer.version_id == version_id
            assert f'"product_id":"{version_id}-p2"'.encode() in answer.content
        assert b'"product_id":"v2-p3"' in (await search(second, ProductQuery("v2-p3"))).content
        assert second.version and second.version.version_id == "v2"
        await second.unload()
        assert second.version is None
        await threads_ended(threads)
        gc.collect()
        assert [version() for version in loaded] == [None, None]
        await second.unload()

    run(test())


def test_one_load_at_a_time() -> None:
    go = threading.Event()

    def load(version_id: str) -> LoadedVersion:
        assert go.wait(WAIT_SECONDS)
        return stand_in_version(version_id)

    async def test() -> None:
        second = comparison(load)
        first = second.start_loading("v1")
        assert second.loading == "v1"
        with pytest.raises(ConflictError, match="version v1 is being loaded"):
            second.start_loading("v2")
        go.set()
        await first
        assert second.loading is None
        await second.unload()

    run(test())


def test_a_version_that_cannot_be_loaded_leaves_room_for_another() -> None:
    def load(version_id: str) -> LoadedVersion:
        if version_id == "bad":
            raise VersionRefusedError("it is damaged")
        return stand_in_version(version_id)

    async def test() -> None:
        second = comparison(load)
        with pytest.raises(VersionRefusedError, match="it is damaged"):
            await second.start_loading("bad")
        assert (second.loading, second.version) == (None, None)
        await second.start_loading("good")
        assert (await search(second)).version_id == "good"
        await second.unload()

    run(test())


def test_a_version_above_the_limit_is_never_read(good_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.worker.loaded_version.read_index", lambda *inputs: pytest.fail("it was read"))

    def load(version_id: str) -> LoadedVersion:
        return load_version(Store(good_store), version_id, device=Device.CPU, encoder_threads=1, max_bytes=1000)

    async def test() -> None:
        with pytest.raises(VersionRefusedError, match=r"it takes about 0\.\d\d GB .* VITRINE_COMPARE_MB allows more"):
            await comparison(load).start_loading("v1")

    run(test())


def test_an_unknown_version_is_told_by_the_loader() -> None:
    def load(version_id: str) -> LoadedVersion:
        raise UnknownVersionError(f"no {version_id}")

    async def test() -> None:
        with pytest.raises(UnknownVersionError, match="no none"):
            await comparison(load).start_loading("none")

    run(test())


def test_what_is_not_used_for_a_quarter_of_an_hour_is_unloaded() -> None:
    workers = UnresponsiveWorkers()

    async def test() -> None:
        second = Comparison(workers.open_version)
        await second.start_loading("v1")
        for _ in range(3):
            await asyncio.sleep(899)
            second.use_batcher()
        await asyncio.sleep(899)
        assert second.version is not None
        await asyncio.sleep(12)  # its process, which does not exit, is killed after five more seconds
        assert second.version is None
        assert [killed.is_set() for killed in workers.killed] == [True]

    run_on_virtual_clock(test(), limit_seconds=5_000)
    workers.close()


@pytest.mark.parametrize("answers_heartbeats", [True, False])
def test_a_second_version_that_never_loads_leaves_room_for_another(answers_heartbeats: bool) -> None:
    workers = UnresponsiveWorkers(answers_heartbeats=answers_heartbeats, loads=False)

    async def test() -> None:
        second = Comparison(workers.open_version)
        with pytest.raises(VersionRefusedError):
            await second.start_loading("v1")
        assert second.loading is None
        workers.loads = workers.answers_heartbeats = True
        await second.start_loading("v2")
        assert second.version and second.version.version_id == "v2"
        await second.unload()

    run_on_virtual_clock(test())
    workers.close()


def test_a_second_version_that_hangs_is_killed_and_forgotten() -> None:
    workers = UnresponsiveWorkers(answers_heartbeats=False)

    async def test() -> None:
        second = Comparison(workers.open_version)
        await second.start_loading("v1")
        waiting = submit(second.use_batcher(), NEAREST)
        await asyncio.sleep(5)
        assert isinstance(waiting.exception(), NotReadyError)
        assert second.version is None
        with pytest.raises(ConflictError, match="no second version is loaded"):
            second.use_batcher()

    run_on_virtual_clock(test())
    assert [killed.is_set() for killed in workers.killed] == [True]
    workers.close()


async def load_with_unanswered_search(second: Comparison) -> None:
    """Load a version, and send it a search."""
    await second.start_loading("v1")
    submit(second.use_batcher(), NEAREST).add_done_callback(lambda future: future.exception())
    await asyncio.sleep(0.1)


def test_one_that_is_loaded_while_another_is_unloaded_can_be_searched() -> None:
    """The first one has a search that it does not answer, for which unloading waits."""
    workers = UnresponsiveWorkers()

    async def test() -> None:
        second = Comparison(workers.open_version)
        await load_with_unanswered_search(second)
        unloading = asyncio.create_task(second.unload())
        await asyncio.sleep(0.1)
        await second.start_loading("v2")
        await unloading
        submit(second.use_batcher(), NEAREST).cancel()
        await second.unload()

    run_on_virtual_clock(test())
    workers.close()


def test_unloading_that_is_cancelled_kills_the_process() -> None:
    workers = UnresponsiveWorkers()

    async def test() -> None:
        second = Comparison(workers.open_version)
        await load_with_unanswered_search(second)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(second.unload(), 1)

    run_on_virtual_clock(test())
    assert [killed.is_set() for killed in workers.killed] == [True]
    workers.close()


def test_unloading_after_a_while_belongs_to_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    workers, requests = UnresponsiveWorkers(), list[object]()

    async def test() -> None:
        second = Comparison(workers.open_version)
        await second.start_loading("v1")

        async def search_in_a_request() -> None:
            current_request.set(RequestIds("r-1", None))
            second.use_batcher()

        await asyncio.create_task(search_in_a_request())
        shut_down = VersionProcess.shut_down

        async def noted(process: VersionProcess, by: float = math.inf) -> None:
            requests.append(current_request.get())
            await shut_down(process, by)

        monkeypatch.setattr(VersionProcess, "shut_down", noted)
        await asyncio.sleep(IDLE_SECONDS + 1)
        assert requests == [None]

    run_on_virtual_clock(test(), limit_seconds=2 * IDLE_SECONDS)
    workers.close()
