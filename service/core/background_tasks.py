"""Tasks that run on after whoever started them has stopped waiting."""

import asyncio
from collections.abc import Coroutine
from contextvars import Context
from typing import Any, TypeVar

Result = TypeVar("Result")


def start_apart(work: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
    """Run a coroutine as a task that belongs to no request, even if one has caused it.

    A task is otherwise started with the context of its caller, and so is every callback that it registers: whatever it
    logged, however much later, would carry the ids of that request. Whoever starts the task keeps a reference to it.
    """
    return asyncio.get_running_loop().create_task(work, context=Context())


class BackgroundTasks:
    """Holds a reference to each running task, since the event loop itself keeps none and could lose it."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    @property
    def running(self) -> int:
        """How many tasks are still running."""
        return len(self._running)

    def start(self, work: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        """Run a coroutine as a task. Whoever starts it may wait for the task, or leave it alone.

        A task that nobody waits for must log its own failure: its exception is dropped here.
        """
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._finish)
        return task

    def cancel(self) -> None:
        """Cancel all tasks that are still running."""
        for task in self._running:
            task.cancel()

    def _finish(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # read, so that asyncio does not log it as never retrieved
