"""Tasks that nobody has to wait for."""

import asyncio
import gc

import pytest

from service.core.background_tasks import BackgroundTasks, start_apart
from service.core.logs import RequestIds, current_request


def test_a_task_runs_to_its_end_though_nobody_keeps_it() -> None:
    async def test() -> None:
        tasks, go, done = BackgroundTasks(), asyncio.Event(), asyncio.Event()

        async def work() -> None:
            await go.wait()
            done.set()

        tasks.start(work())
        gc.collect()
        go.set()
        await asyncio.wait_for(done.wait(), 10)

    asyncio.run(test())


def test_a_failure_reaches_who_waits_and_is_not_logged_where_nobody_does(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        raise ValueError("the reason")

    async def test() -> None:
        tasks = BackgroundTasks()
        with pytest.raises(ValueError, match="the reason"):
            await tasks.start(fail())
        await asyncio.wait({tasks.start(fail())})
        gc.collect()

    asyncio.run(test())
    assert caplog.text == ""


def test_what_still_runs_can_be_cancelled() -> None:
    async def test() -> None:
        tasks = BackgroundTasks()
        finished, endless = tasks.start(asyncio.sleep(0, "result")), tasks.start(asyncio.Event().wait())
        assert await finished == "result"
        tasks.cancel()
        await asyncio.wait({endless})
        assert endless.cancelled() and not finished.cancelled()

    asyncio.run(asyncio.wait_for(test(), 10))


def test_a_task_that_is_started_apart_belongs_to_no_request() -> None:
    async def ids() -> RequestIds | None:
        return current_request.get()

    async def test() -> None:
        current_request.set(RequestIds("r-1", None))
        assert await BackgroundTasks().start(ids()) == RequestIds("r-1", None), "it may be what was asked for"
        assert await start_apart(ids()) is None

    asyncio.run(test())
