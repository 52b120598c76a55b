"""A second version beside the served one, so that their results can be compared.

It is loaded on request and unloaded when it has not been used for a while.
"""

import asyncio
import math
from contextvars import Context
from functools import partial

from service.core.background_tasks import BackgroundTasks
from service.core.errors import ConflictError
from service.core.logs import EventLog
from service.dispatch.batcher import Batcher
from service.dispatch.version_process import Opener, VersionProcess
from service.protocol.served_version import ServedVersion

_log = EventLog(__name__)
IDLE_SECONDS = 900.0  # without a search, after which the second version is unloaded
_STOP_TIMEOUT_SECONDS = 5.0


class Comparison:
    """At most one second version at a time, in a worker process of its own.

    Its methods are called on the event loop.

    Args:
        open_version: starts a worker process for a version.

    Attributes:
        loading: the version that is being loaded; None if none is.
    """

    def __init__(self, open_version: Opener) -> None:
        self._open = open_version
        self._process: VersionProcess | None = None
        # Its searches are in no metric, since the metrics of searches describe what shoppers get.
        self._batcher = Batcher(
            noun="searches", max_batch=8, max_queue=64, channels=lambda process: process.search_channels
        )
        self._idle_timer: asyncio.TimerHandle | None = None
        self._unloading = asyncio.Lock()
        self._tasks = BackgroundTasks()
        self.loading: str | None = None

    @property
    def version(self) -> ServedVersion | None:
        """The second version; None if none is loaded."""
        return self._process.served if self._process else None

    def start_loading(self, version_id: str) -> asyncio.Task[None]:
        """Load a version in the place of the second one before. Loading goes on even if nobody awaits the task.

        The task raises UnknownVersionError or VersionRefusedError if the version cannot be loaded.

        Raises:
            ConflictError: another version is being loaded.
        """
        if self.loading is not None:
            raise ConflictError(f"version {self.loading} is being loaded; try again when that is done")
        self.loading = version_id
        return self._tasks.start(self._replace(version_id))

    async def unload(self, by: float = math.inf) -> None:
        """End the second version's process, if there is one, and free its memory.

        Args:
            by: the time of the event loop's clock at which the process is killed in any case.
        """
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        async with self._unloading:  # a version that is loaded meanwhile waits for it
            if self._process is None:
                return
            process, self._process = self._process, None
            seconds = by - asyncio.get_running_loop().time()
            try:
                await self._batcher.stop(min(_STOP_TIMEOUT_SECONDS, seconds))
                self._batcher.pause()
                await process.shut_down(by)
            except asyncio.CancelledError:  # nobody waits any more
                await process.shut_down(by=0)
                raise

    async def stop(self, by: float) -> None:
        """Stop loading, and unload the second version; see `unload`."""
        self._tasks.cancel()
        await self.unload(by)

    def give_up(self) -> None:
        """Fail all searches that have no answer yet; the process is about to stop."""
        self._batcher.give_up()

    def use_batcher(self) -> Batcher:
        """Return the batcher of the second version and start its idle time anew.

        Raises:
            ConflictError: no second version is loaded.
        """
        if self._process is None:
            raise ConflictError("no second version is loaded; POST /admin/compare/load loads one")
        self._restart_idle_timer()
        return self._batcher

    async def _replace(self, version_id: str) -> None:
        try:
            await self.unload()  # first, since memory is planned for two versions and not for three
            process = await self._open(version_id)
            self._batcher.switch(process)
            self._process = process
            process.when_lost(partial(self._handle_loss, process))
            self._restart_idle_timer()
            _log.info("compare", outcome="loaded", version=version_id)
        except Exception as error:
            _log.warning("compare", outcome="refused", version=version_id, reason=str(error))
            raise
        finally:
            self.loading = None

    def _handle_loss(self, process: VersionProcess, how: str) -> None:
        """Forget a worker process that was lost.

        Args:
            process: the process.
            how: how it was lost, as a clause.
        """
        _log.error("search_process_lost", version=process.served.version_id, pid=process.pid, reason=how, compared=True)
        if self._process is process:
            self._batcher.pause()
            self._process = None

    def _restart_idle_timer(self) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        loop = asyncio.get_running_loop()
        # Unloading has nothing to do with the request that happened to be the last one.
        self._idle_timer = loop.call_later(IDLE_SECONDS, lambda: self._tasks.start(self.unload()), context=Context())
