"""Long work beside the event loop."""

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")
# A third of the weight that the system gives a thread which searches: a load still ends where all processors are busy.
_STEPS_ASIDE = 5


def step_aside() -> None:
    """Let other threads have the processor first, from now on and before all that this thread starts.

    Linux alone has priorities of threads; elsewhere it does nothing.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + _STEPS_ASIDE)


async def run_in_daemon_thread(work: Callable[[], Result], name: str) -> Result:
    """Await `work()` on a new thread.

    Unlike `asyncio.to_thread`, neither the loop nor the interpreter waits for it at exit: a version that
    takes minutes to load must not hold up a process that was told to stop.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Result] = loop.create_future()
    threading.Thread(target=_run, args=(work, loop, future), name=name, daemon=True).start()
    try:
        return await future
    finally:
        # An error refers to the frames it went through: with this name left in one of them, the error and
        # all that was loaded when it was raised would keep each other in memory.
        del future


def _run(work: Callable[[], Result], loop: asyncio.AbstractEventLoop, future: asyncio.Future[Result]) -> None:
    result: Result | None = None
    error: BaseException | None = None
    try:
        result = work()
    except BaseException as caught:
        error = caught
    if not loop.is_closed():
        loop.call_soon_threadsafe(_settle, future, result, error)
    del future, result, error  # as above


def _settle(future: asyncio.Future[Result], result: Result | None, error: BaseException | None) -> None:
    if future.cancelled():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)  # type: ignore[arg-type]
