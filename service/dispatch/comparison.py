"""A second version beside the served one, to compare what both find: loaded on demand, put away when nobody asks."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from service.core.errors import ConflictError, DeadlineError
from service.core.logs import EventLog
from service.dispatch.batcher import Answer, Batcher
from service.dispatch.version_process import Opener, VersionProcess
from service.protocol.queries import Query
from service.protocol.served_version import ServedVersion

_log = EventLog(__name__)
IDLE_SECONDS = 900.0  # until a version that nobody asks is put away
_STOP_PATIENCE_SECONDS = 5.0


class Comparison:
    """At most one second version at a time, in a process of its own. Its methods are called on the event loop.

    Args:
        open_version: Begins a process that has one, on the CPU.

    Attributes:
        loading: What is being loaded.
    """

    def __init__(self, open_version: Opener) -> None:
        self._open = open_version
        self._process: VersionProcess | None = None
        # Numbers of its own, which nobody reads: those of the service tell of its shoppers' searches.
        self._batcher = Batcher(what="searches", max_batch=8, max_queue=64, lines=lambda process: process.search_lines)
        self._idle: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()  # kept, since the loop keeps no task
        self.loading: str | None = None

    @property
    def version(self) -> ServedVersion | None:
        """What is loaded."""
        return self._process.served if self._process else None

    def begin(self, version_id: str) -> asyncio.Task[None]:
        """Load a version in the place of the one before; it goes on, whoever waits for it.

        The task raises:
            UnknownVersionError, VersionRefusedError: It cannot be loaded, or takes too much memory.

        Raises:
            ConflictError: Another one is being loaded.
        """
        if self.loading is not None:
            raise ConflictError(f"version {self.loading} is being loaded; try again when that is done")
        self.loading = version_id
        return self._keep(self._replace(version_id))

    async def put_away(self) -> None:
        """Free what is loaded."""
        if self._idle is not None:
            self._idle.cancel()
        if self._process is None:
            return
        process, self._process = self._process, None
        await self._batcher.stop(_STOP_PATIENCE_SECONDS)
        self._batcher.pause()
        await process.end()

    async def ask(self, query: Query, deadline_seconds: float) -> Answer:
        """What the second version finds.

        Raises:
            ConflictError: There is none.
            DeadlineError: It took too long.
            ServiceError: The query has no answer, and why.
        """
        if self._process is None:
            raise ConflictError("no second version is loaded; POST /admin/compare/load loads one")
        self._put_off()
        (future,) = self._batcher.submit([query])
        try:
            async with asyncio.timeout(deadline_seconds):
                return await future
        except TimeoutError:
            raise DeadlineError(f"no answer within {deadline_seconds:g} s; try again in a moment") from None

    async def _replace(self, version_id: str) -> None:
        try:
            await self.put_away()  # first: two versions are enough
            process = await self._open(version_id)
            process.on_lost = self._lose
            self._batcher.switch(process)
            self._process = process
            self._put_off()
            _log.info("compare", outcome="loaded", version=version_id)
        except Exception as error:
            _log.warning("compare", outcome="refused", version=version_id, reason=str(error))
            raise
        finally:
            self.loading = None

    def _lose(self) -> None:
        """The process has ended by itself."""
        _log.error("search_process_lost", version=self.version.version_id if self.version else None)
        self._batcher.pause()
        self._process = None

    def _put_off(self) -> None:
        """Wait anew until nobody asks any more."""
        if self._idle is not None:
            self._idle.cancel()
        loop = asyncio.get_running_loop()
        self._idle = loop.call_later(IDLE_SECONDS, lambda: self._keep(self.put_away()))

    def _keep(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may be left to read it
        return task
