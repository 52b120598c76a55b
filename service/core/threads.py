"""CPU cores, thread priorities, and blocking work on threads beside the event loop."""

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


def lower_thread_priority(niceness: int) -> None:
    """Lower the priority of the calling thread, and of all threads that it starts afterwards.

    Only Linux has priorities per thread; elsewhere this does nothing.

    Args:
        niceness: the number to add to the thread's niceness, whose maximum is 19. Each step leaves the thread about a
            fifth less processor time than its competitors.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + niceness)


async def run_in_daemon_thread(work: Callable[[], Result], name: str) -> Result:
    """Run `work` on a new daemon thread and return its result.

    Unlike with `asyncio.to_thread`, neither the event loop nor the interpreter waits for the thread at exit: a version
    that takes minutes to load must not delay a process that should stop.

    Args:
        work: the blocking call.
        name: the name of the thread.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Result] = loop.create_future()
    threading.Thread(target=_run, args=(work, loop, future), name=name, daemon=True).start()
    try:
        return await future
    finally:
        # An exception refers to the frames that it passed through. If one of them still held the future, the exception
        # and everything that was loaded when it was raised would keep each other in memory.
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
    del future, result, error  # for the same reason as above


def _settle(future: asyncio.Future[Result], result: Result | None, error: BaseException | None) -> None:
    if future.cancelled():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)  # type: ignore[arg-type]
