"""Which version is served, with a loader that does as a test says."""

import asyncio
import gc
import itertools
import os
import sys
import threading
import weakref
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from artifacts.atomic import replace_file
from artifacts.store import Store
from service.core.errors import (
    ConflictError,
    NotReadyError,
    SearchFailedError,
    UnknownVersionError,
    VersionRefusedError,
)
from service.dispatch.batcher import Batcher
from service.dispatch.changes import Attempt, ServiceState
from service.dispatch.swapper import Swapper, _retry_seconds
from service.protocol.queries import Page, SearchQuery
from service.telemetry.metrics import Metrics
from service.worker.loaded_version import LoadedVersion
from tests.service.in_threads import Loader, in_threads
from tests.service.stand_ins import stand_in_version, submit
from tests.service.unresponsive import UnresponsiveWorkers
from tests.service.virtual_clock import run_on_virtual_clock
from tests.service.waiting import WAIT_SECONDS, until


class StandInLoader:
    """Loads v1, v2, v3; `bad` is refused, `broken` breaks, and whatever is held waits for `go`."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.go.set()
        self.loaded: list[weakref.ref[LoadedVersion]] = []

    def __call__(self, version_id: str) -> LoadedVersion:
        assert self.go.wait(WAIT_SECONDS), "a test forgot to let the loader go"
        if version_id == "bad":
            raise VersionRefusedError("version bad: index.faiss is damaged")
        if version_id == "broken":
            raise RuntimeError("secret inside")
        if version_id not in ("v1", "v2", "v3"):
            raise UnknownVersionError(f"the store has no version {version_id!r}")
        version = stand_in_version(version_id)
        self.loaded.append(weakref.ref(version))
        return version


@asynccontextmanager
async def swapping(
    store: Path, loader: Loader, published: str | None, metrics: Metrics | None = None
) -> AsyncIterator[tuple[Swapper, Batcher]]:
    """A swapper that has started over a store that publishes this version."""
    if published is not None:
        (store / "CURRENT").write_text(f'{{"version": "{published}", "previous": []}}')
    batcher = Batcher(noun="searches", max_batch=8, max_queue=8, channels=lambda version: version.search_channels)
    swapper = Swapper(Store(store), in_threads(loader), [batcher], metrics or Metrics(), lambda: None)
    await swapper.start()
    try:
        yield swapper, batcher
    finally:
        if isinstance(loader, StandInLoader):
            loader.go.set()
        await batcher.stop(WAIT_SECONDS)
        await swapper.stop()


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 2 * WAIT_SECONDS))


async def served(swapper: Swapper, batcher: Batcher) -> str:
    """The version that searches are answered by, which the swapper must know."""
    answer = (await submit(batcher, SearchQuery("0", Page(1)))).answer
    assert swapper.served is not None
    assert swapper.served.version_id == answer.version_id
    return answer.version_id


def test_start_swap_and_rollback(tmp_path: Path) -> None:
    async def test() -> None:
        async with swapping(tmp_path, StandInLoader(), "v1") as (swapper, batcher):
            assert swapper.state is ServiceState.SERVING
            assert await served(swapper, batcher) == "v1"
            change = await swapper.swap("v2")
            assert (change.version_id, change.replaced) == ("v2", "v1")
            await swapper.swap("v3")
            assert swapper.previous == ("v2", "v1")
            assert await served(swapper, batcher) == "v3"
            assert (await swapper.rollback()).version_id == "v2"
            assert (await swapper.rollback()).version_id == "v1"
            assert await served(swapper, batcher) == "v1"
            with pytest.raises(ConflictError, match="has served no other version to go back to"):
                await swapper.rollback()

    run(test())


def test_a_replaced_version_leaves_memory(tmp_path: Path) -> None:
    async def test() -> None:
        loader = StandInLoader()
        async with swapping(tmp_path, loader, "v1") as (swapper, batcher):
            assert await served(swapper, batcher) == "v1"
            gc.disable()
            try:
                for version_id in ("v2", "v3"):
                    await swapper.swap(version_id)
                    await served(swapper, batcher)
                await until(
                    lambda: [version() is None for version in loader.loaded] == [True, True, False],
                    "replaced versions are still in memory, or the served one is not",
                )
            finally:
                gc.enable()

    run(test())


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priorities elsewhere")
def test_searches_go_before_the_loading_of_a_version(tmp_path: Path) -> None:
    priorities: list[int] = []

    class Asked(StandInLoader):
        def __call__(self, version_id: str) -> LoadedVersion:
            priorities.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
            return super().__call__(version_id)

    async def test() -> None:
        async with swapping(tmp_path, Asked(), "v1") as (swapper, batcher):
            await swapper.swap("v2")
            assert await served(swapper, batcher) == "v2"

    run(test())
    assert len(priorities) == 2
    assert min(priorities) > os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def test_swapping_to_the_served_version_changes_nothing(tmp_path: Path) -> None:
    async def test() -> None:
        async with swapping(tmp_path, StandInLoader(), "v1") as (swapper, batcher):
            change = await swapper.swap("v1")
            assert (change.replaced, swapper.previous) == ("v1", ())
            assert await served(swapper, batcher) == "v1"

    run(test())


@pytest.mark.parametrize(
    ("version_id", "error"),
    [("bad", VersionRefusedError), ("v9", UnknownVersionError), ("broken", SearchFailedError)],
)
def test_a_refused_swap_leaves_everything_as_it_was(tmp_path: Path, version_id: str, error: type[Exception]) -> None:
    async def test() -> None:
        async with swapping(tmp_path, StandInLoader(), "v1") as (swapper, batcher):
            await swapper.swap("v2")
            with pytest.raises(error):
                await swapper.swap(version_id)
            assert await served(swapper, batcher) == "v2"
            assert (swapper.state, swapper.previous, swapper.loading) == (ServiceState.SERVING, ("v1",), None)
            await swapper.swap("v3")
            assert await served(swapper, batcher) == "v3"

    run(test())


def test_a_rollback_to_what_has_gone_bad_is_refused(tmp_path: Path) -> None:
    async def test() -> None:
        async with swapping(tmp_path, StandInLoader(), "v1") as (swapper, batcher):
            await swapper.swap("v2")
            swapper.previous = ("bad",)
            with pytest.raises(VersionRefusedError):
                await swapper.rollback()
            assert await served(swapper, batcher) == "v2"
            assert swapper.previous == ("bad",)

    run(test())


def test_one_change_at_a_time(tmp_path: Path) -> None:
    async def test() -> None:
        loader = StandInLoader()
        async with swapping(tmp_path, loader, "v1") as (swapper, batcher):
            await swapper.swap("v2")
            loader.go.clear()
            first = asyncio.create_task(swapper.swap("v3"))
            await until(lambda: swapper.loading == "v3", "v3 is not being loaded")
            for second in (swapper.swap("v1"), swapper.rollback()):
                with pytest.raises(ConflictError, match="version v3 is being loaded"):
                    await second
            assert await served(swapper, batcher) == "v2"  # while the new one loads
            loader.go.set()
            await first
            assert await served(swapper, batcher) == "v3"

    run(test())


@pytest.mark.parametrize(
    ("published", "reason"),
    [
        (None, "the store publishes no version"),
        ("bad", "version bad: index.faiss is damaged"),
        ("v9", "the store has no version 'v9'"),
        ("broken", "the published version could not be loaded; the log says why"),
    ],
)
def test_a_start_without_a_version_waits_for_a_swap(tmp_path: Path, published: str | None, reason: str) -> None:
    async def test() -> None:
        async with swapping(tmp_path, StandInLoader(), published) as (swapper, batcher):
            assert (swapper.state, swapper.reason, swapper.served) == (ServiceState.WAITING, reason, None)
            with pytest.raises(NotReadyError):
                submit(batcher, SearchQuery("0", Page(1)))
            assert (await swapper.swap("v2")).replaced is None
            assert swapper.state is ServiceState.SERVING
            assert await served(swapper, batcher) == "v2"
            with pytest.raises(ConflictError):
                await swapper.rollback()

    run(test())


def publish(store: Path, version: str) -> None:
    replace_file(store / "CURRENT", f'{{"version": "{version}", "previous": []}}'.encode())


@asynccontextmanager
async def following(swapper: Swapper) -> AsyncIterator[None]:
    task = asyncio.create_task(swapper.follow())
    yield
    assert not task.done()
    task.cancel()


async def is_served(swapper: Swapper, version_id: str) -> None:
    """Wait until a version is served."""
    await until(lambda: swapper.served and swapper.served.version_id == version_id, f"{version_id} is not served")


async def is_in(swapper: Swapper, state: ServiceState) -> None:
    """Wait until the service is in a state."""
    await until(lambda: swapper.state is state, f"the state is not {state}")


def checks_of(swapper: Swapper) -> list[str | None]:
    """Return a list that grows by the published version whenever the swapper reads it from now on."""
    checks: list[str | None] = []
    read = swapper._read_published

    def noted() -> str | None:
        checks.append(read())
        return checks[-1]

    swapper._read_published = noted  # type: ignore[method-assign]
    return checks


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Following in no time."""
    monkeypatch.setattr("service.dispatch.swapper.FOLLOW_SECONDS", 0.01)
    monkeypatch.setattr("service.dispatch.swapper.RETRY_SECONDS", 0.1)


@pytest.mark.usefixtures("quick")
def test_what_the_store_publishes_is_followed(tmp_path: Path) -> None:
    async def test() -> None:
        async with swapping(tmp_path, StandInLoader(), "v1") as (swapper, batcher), following(swapper):
            for version in ("v2", "v3", "v1"):
                publish(tmp_path, version)
                await is_served(swapper, version)
                assert await served(swapper, batcher) == version
            # It is extended when the version before has ended.
            await until(lambda: swapper.previous == ("v3", "v2", "v1"), "the versions before are not remembered")
            assert await served(swapper, batcher) == "v1"

    run(test())


@pytest.mark.usefixtures("quick")
def test_a_swap_by_hand_stays_until_the_store_publishes_another(tmp_path: Path) -> None:
    async def test() -> None:
        async with swapping(tmp_path, StandInLoader(), "v1") as (swapper, batcher), following(swapper):
            await swapper.swap("v2")
            checks = checks_of(swapper)
            await until(lambda: len(checks) > 3, "the store is not checked")
            assert await served(swapper, batcher) == "v2"
            publish(tmp_path, "v3")
            await is_served(swapper, "v3")

    run(test())


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("bad", ["bad", "broken", "v9", '"]'])
def test_what_cannot_be_served_leaves_the_served_version_and_is_tried_again(tmp_path: Path, bad: str) -> None:
    loader, mended = StandInLoader(), threading.Event()
    tried: list[str] = []

    def load(version_id: str) -> LoadedVersion:
        tried.append(version_id)
        return stand_in_version(version_id) if mended.is_set() else loader(version_id)

    async def test() -> None:
        async with swapping(tmp_path, loader, "v1") as (swapper, batcher):
            swapper._open = in_threads(load)
            checks = checks_of(swapper)
            async with following(swapper):
                publish(tmp_path, bad)
                if bad == '"]':  # CURRENT cannot be read: nothing is tried
                    await until(lambda: len(checks) > 3, "the store is not checked")
                    assert (await served(swapper, batcher), tried) == ("v1", [])
                    publish(tmp_path, "v2")
                    await is_served(swapper, "v2")
                    return
                await until(lambda: len(tried) > 1, "the version is not tried again")
                assert await served(swapper, batcher) == "v1"
                mended.set()
                await is_served(swapper, bad)
                assert {*tried} == {bad}

    run(test())


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("published", [None, "bad"])
def test_a_store_that_publishes_nothing_good_yet_is_waited_for(tmp_path: Path, published: str | None) -> None:
    async def test() -> None:
        async with swapping(tmp_path, StandInLoader(), published) as (swapper, batcher), following(swapper):
            assert swapper.state is ServiceState.WAITING
            publish(tmp_path, "v2")
            await is_in(swapper, ServiceState.SERVING)
            assert await served(swapper, batcher) == "v2"

    run(test())


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("published", [None, "bad", "broken", "v9", '"]'])
def test_a_first_version_that_cannot_be_loaded_is_tried_again_though_the_store_is_not_followed(
    tmp_path: Path, published: str | None
) -> None:
    loader, mended = StandInLoader(), threading.Event()

    def load(version_id: str) -> LoadedVersion:
        return stand_in_version(version_id) if mended.is_set() else loader(version_id)

    async def test() -> None:
        async with swapping(tmp_path, load, published) as (swapper, batcher):
            assert swapper.state is ServiceState.WAITING
            mended.set()
            if published in (None, '"]'):
                publish(tmp_path, "v2")
            await is_in(swapper, ServiceState.SERVING)
            assert await served(swapper, batcher) == (published if published in ("bad", "broken", "v9") else "v2")
            publish(tmp_path, "v3")
            await until(lambda: not swapper._recoveries.running, "the store is still read")
            assert await served(swapper, batcher) != "v3", "from now on only a swap changes it"

    run(test())


@pytest.mark.usefixtures("quick")
def test_a_first_version_that_is_replaced_by_hand_is_not_tried_again(tmp_path: Path) -> None:
    async def test() -> None:
        async with swapping(tmp_path, StandInLoader(), "bad") as (swapper, batcher):
            await swapper.swap("v2")
            await until(lambda: not swapper._recoveries.running, "the first version is still to be tried again")
            assert await served(swapper, batcher) == "v2"
            assert swapper.last_attempt == Attempt("swap", "v2", "served")

    run(test())


def test_without_any_version_attempts_are_close_together_at_first() -> None:
    assert list(itertools.islice(_retry_seconds(), 7)) == [1, 2, 4, 8, 16, 30, 30]


def test_an_unreadable_current_waits_for_a_swap(tmp_path: Path) -> None:
    async def test() -> None:
        async with swapping(tmp_path, StandInLoader(), '"]') as (swapper, _):
            assert swapper.state is ServiceState.WAITING
            assert swapper.reason == "CURRENT is not readable; publish a version to write it again"

    run(test())


def test_draining_refuses_changes_and_still_searches(tmp_path: Path) -> None:
    async def test() -> None:
        async with swapping(tmp_path, StandInLoader(), "v1") as (swapper, batcher):
            swapper.drain()
            assert await served(swapper, batcher) == "v1"
            for change in (swapper.swap("v2"), swapper.rollback()):
                with pytest.raises(NotReadyError, match="about to stop"):
                    await change

    run(test())


def test_a_swap_that_ends_while_draining_does_not_end_the_draining(tmp_path: Path) -> None:
    async def test() -> None:
        loader = StandInLoader()
        async with swapping(tmp_path, loader, "v1") as (swapper, _):
            loader.go.clear()
            first = asyncio.create_task(swapper.swap("v2"))
            await until(lambda: swapper.loading == "v2", "v2 is not being loaded")
            swapper.drain()
            loader.go.set()
            await first
            assert swapper.state is ServiceState.DRAINING

    run(test())


def lose(swapper: Swapper) -> None:
    """Close a channel, which is what the swapper notices of a worker process that ends unasked."""
    assert swapper._process is not None
    swapper._process.search_channels[0].close()


def versions_shown(metrics: Metrics) -> list[str]:
    """The served version as the metrics report it, and its products."""
    lines = metrics.render().decode().splitlines()
    return [line for line in lines if line.startswith(("vitrine_index_version{", "vitrine_index_products "))]


V2_SHOWN = ['vitrine_index_version{model="m",version="v2"} 1.0', "vitrine_index_products 4.0"]


def test_a_version_whose_process_ends_is_loaded_again(tmp_path: Path) -> None:
    async def test() -> None:
        loader, metrics = StandInLoader(), Metrics()
        async with swapping(tmp_path, loader, "v1", metrics) as (swapper, batcher):
            await swapper.swap("v2")
            assert versions_shown(metrics) == V2_SHOWN
            loader.go.clear()
            lose(swapper)
            await until(lambda: swapper.loading == "v2", "v2 is not being loaded again")
            assert (swapper.state, swapper.served) == (ServiceState.STARTING, None)
            assert swapper.reason == "the worker process of version v2 ended; another one is being started"
            with pytest.raises(NotReadyError):
                submit(batcher, SearchQuery("0", Page(1)))
            assert versions_shown(metrics) == ["vitrine_index_products 0.0"]
            loader.go.set()
            await is_in(swapper, ServiceState.SERVING)
            assert await served(swapper, batcher) == "v2"
            assert versions_shown(metrics) == V2_SHOWN
            assert (swapper.last_attempt and swapper.last_attempt.kind, swapper.previous) == ("recover", ("v1",))
            await swapper.rollback()
            assert await served(swapper, batcher) == "v1"

    run(test())


@pytest.mark.usefixtures("quick")
def test_a_version_that_cannot_be_loaded_again_is_tried_until_it_can_or_another_is_served(tmp_path: Path) -> None:
    loader, tried = StandInLoader(), []

    def load(version_id: str) -> LoadedVersion:
        tried.append(version_id)
        return loader("bad" if tried.count("v1") in (2, 3) and version_id == "v1" else version_id)

    async def test() -> None:
        async with swapping(tmp_path, load, "v1") as (swapper, batcher):
            lose(swapper)
            await is_in(swapper, ServiceState.WAITING)
            assert swapper.reason.startswith("version v1 cannot be loaded again: ")
            await is_in(swapper, ServiceState.SERVING)
            assert (await served(swapper, batcher), tried) == ("v1", ["v1"] * 4)
            tried[:] = ["v1"]
            lose(swapper)
            await is_in(swapper, ServiceState.WAITING)
            assert (await swapper.swap("v2")).replaced is None
            await until(lambda: not swapper._recoveries.running, "v1 is still to be loaded again")
            assert (await served(swapper, batcher), tried) == ("v2", ["v1", "v1", "v2"])

    run(test())


@pytest.fixture
def workers() -> Iterator[UnresponsiveWorkers]:
    made = UnresponsiveWorkers()
    yield made
    made.close()


def unresponsive(workers: UnresponsiveWorkers, store: Path) -> Swapper:
    """A swapper whose processes are these, over a store that publishes v1."""
    publish(store, "v1")
    return Swapper(Store(store), workers.open_version, [], Metrics(), lambda: None)


def test_a_version_whose_process_hangs_is_killed_and_loaded_again(workers: UnresponsiveWorkers, tmp_path: Path) -> None:
    async def test() -> None:
        swapper = unresponsive(workers, tmp_path)
        workers.answers_heartbeats = False
        await swapper.start()
        workers.answers_heartbeats = True
        await asyncio.sleep(3)
        assert swapper.last_attempt == Attempt("start", "v1", "served")
        await asyncio.sleep(2)  # it is noticed within five seconds, and loading takes no time on this clock
        assert swapper.reason == (
            "the worker process of version v1 answered no heartbeat for 4 s and was killed; "
            "another one is being started"
        )
        assert swapper.last_attempt == Attempt("recover", "v1", "served")
        assert swapper.state is ServiceState.SERVING
        assert [killed.is_set() for killed in workers.killed] == [True, False]
        await swapper.stop()

    run_on_virtual_clock(test())


@pytest.mark.parametrize(
    ("answers_heartbeats", "reason"),
    [(False, "answered no heartbeat for 20 s"), (True, "VITRINE_LOAD_SECONDS allows more")],
)
def test_a_load_without_an_end_is_refused_and_another_swap_can_follow(
    workers: UnresponsiveWorkers, tmp_path: Path, answers_heartbeats: bool, reason: str
) -> None:
    async def test() -> None:
        swapper = unresponsive(workers, tmp_path)
        await swapper.start()
        workers.loads, workers.answers_heartbeats = False, answers_heartbeats
        with pytest.raises(VersionRefusedError, match=reason):
            await swapper.swap("v2")
        assert swapper.served and swapper.served.version_id == "v1"
        assert swapper.last_attempt and swapper.last_attempt.outcome == "refused"
        workers.loads, workers.answers_heartbeats = True, True
        assert (await swapper.swap("v3")).version_id == "v3"
        assert [killed.is_set() for killed in workers.killed] == [True, True, False]
        await swapper.stop()

    run_on_virtual_clock(test())


def test_a_process_that_is_lost_while_the_service_drains_is_not_replaced(
    workers: UnresponsiveWorkers, tmp_path: Path
) -> None:
    async def test() -> None:
        swapper = unresponsive(workers, tmp_path)
        workers.answers_heartbeats = False
        await swapper.start()
        swapper.drain()
        await asyncio.sleep(100)
        assert swapper.reason == "the worker process of version v1 answered no heartbeat for 4 s and was killed"
        assert (swapper.state, len(workers.killed)) == (ServiceState.DRAINING, 1)
        await swapper.stop()

    run_on_virtual_clock(test())
