"""Threads beside the event loop, their priorities, and the cores that they may use."""

import asyncio
import gc
import os
import sys
import threading
import weakref

import pytest

from service.core.threads import lower_thread_priority, run_in_daemon_thread
from tests.service.waiting import WAIT_SECONDS, threads_ended


def test_result_and_thread() -> None:
    async def test() -> tuple[str, bool]:
        return await run_in_daemon_thread(
            lambda: (threading.current_thread().name, threading.current_thread().daemon), "work"
        )

    assert asyncio.run(test()) == ("work", True)


def test_errors_come_through() -> None:
    def fail() -> None:
        raise KeyError("k")

    with pytest.raises(KeyError):
        asyncio.run(run_in_daemon_thread(fail, "work"))


def test_the_loop_ends_without_waiting_for_the_work() -> None:
    go = threading.Event()

    async def test() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(run_in_daemon_thread(lambda: go.wait(WAIT_SECONDS), "work"), 0.01)

    asyncio.run(asyncio.wait_for(test(), WAIT_SECONDS / 2))
    assert not go.is_set()
    go.set()


def test_an_error_holds_nothing_in_memory_once_handled() -> None:
    class Big:
        pass

    seen: list[weakref.ref[Big]] = []

    def fail() -> None:
        big = Big()
        seen.append(weakref.ref(big))
        raise ValueError("no")

    async def test() -> None:
        threads = set(threading.enumerate())
        with pytest.raises(ValueError):
            await run_in_daemon_thread(fail, "work")
        await threads_ended(threads)

    gc.disable()
    try:
        asyncio.run(test())
        assert seen[0]() is None
    finally:
        gc.enable()


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priorities elsewhere")
def test_a_lower_priority_is_that_of_one_thread_and_of_those_that_it_starts() -> None:
    def priority() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    found: list[int] = []

    def work() -> None:
        found.append(priority())
        lower_thread_priority(5)
        found.append(priority())
        started = threading.Thread(target=lambda: found.append(priority()))
        started.start()
        started.join()

    before = priority()
    asyncio.run(run_in_daemon_thread(work, "work"))
    assert found == [before, min(19, before + 5), min(19, before + 5)]
    assert priority() == before
