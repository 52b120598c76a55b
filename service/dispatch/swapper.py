"""The version that is served, and its changes: start, swap, rollback, following the store, recovery.

It only reads the store.
"""

import asyncio
import itertools
import math
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import get_args

from artifacts.errors import ArtifactError
from artifacts.store import Store
from service.core.background_tasks import BackgroundTasks
from service.core.errors import ConflictError, NotReadyError, RequestError, UnknownVersionError, VersionRefusedError
from service.core.logs import EventLog
from service.core.store_paths import without_store_path
from service.core.threads import run_in_daemon_thread
from service.dispatch.batcher import Batcher
from service.dispatch.changes import Attempt, Change, Kind, Outcome, ServiceState
from service.dispatch.version_process import Opener, VersionProcess
from service.protocol.served_version import ServedVersion
from service.telemetry.metrics import Metrics

_log = EventLog(__name__)
FOLLOW_SECONDS = 1.0  # between two checks of which version the store publishes
# Until a version that could not be served is tried again, since its files may still be copied.
RETRY_SECONDS = 30.0
_FIRST_RETRY_SECONDS = 1.0  # where no version is served; each wait is twice the one before
_MAX_PREVIOUS = 20  # versions to which rollbacks can return


class Swapper:
    """Loads versions beside the served one and switches to those that can be served, one change at a time.

    Its methods are called on the event loop.

    Args:
        store: the store of the versions, which is only read.
        open_version: starts a worker process for a version.
        batchers: send queries to the served version.
        metrics: count all changes.
        on_switch: called when another version is served.

    Attributes:
        served: the served version; None if there is none.
        previous: ids of the versions served before, the latest first.
        loading: the version that is being loaded; None if none is.
        last_attempt: the last attempt to change the version; None before the first has ended.
        reason: why no version is served, if none is.
    """

    def __init__(
        self,
        store: Store,
        open_version: Opener,
        batchers: Sequence[Batcher],
        metrics: Metrics,
        on_switch: Callable[[], None],
    ) -> None:
        self._store = store
        self._open = open_version
        self._batchers = batchers
        self._metrics = metrics
        metrics.expect_changes(get_args(Kind), get_args(Outcome))
        metrics.watch_search_process(lambda: self._process.pid if self._process else None)
        self._on_switch = on_switch
        self._process: VersionProcess | None = None
        self._recoveries = BackgroundTasks()
        self._last_published: str | None = None  # by the store, when it was last checked
        self._state = ServiceState.STARTING
        self.served: ServedVersion | None = None
        self.previous: tuple[str, ...] = ()
        self.loading: str | None = None
        self.last_attempt: Attempt | None = None
        self.reason = "the published version is being loaded"

    @property
    def state(self) -> ServiceState:
        """Whether searches can be answered."""
        return self._state

    @property
    def is_draining(self) -> bool:
        """Whether the process is about to stop."""
        return self._state is ServiceState.DRAINING

    def drain(self) -> None:
        """Report that the process is not ready any more. It may be called in a signal handler."""
        self._state = ServiceState.DRAINING

    async def stop(self, by: float = math.inf) -> None:
        """End the served version's process. The batchers must have been stopped before.

        Args:
            by: the time of the event loop's clock at which the process is killed in any case.
        """
        self._recoveries.cancel()
        if self._process is not None:
            process, self._process = self._process, None
            await process.shut_down(by)

    async def start(self) -> None:
        """Serve the version that the store publishes. If that fails, it is tried again until any version is served."""
        await self._start_published()
        if self.served is None:
            self._recoveries.start(self._retry(self._start_published, _retry_seconds()))

    async def _start_published(self) -> None:
        """Serve the version that the store publishes, or keep the reason why it cannot be served."""
        try:
            publication = await run_in_daemon_thread(self._store.publication, "vitrine-start")
            if publication.current is None:
                raise UnknownVersionError("the store publishes no version")
            if self.loading is not None or self.served is not None:  # by a swap that began meanwhile
                return
            self._last_published = publication.current
            await self._change("start", publication.current)
        except (RequestError, ArtifactError, OSError) as error:
            self._enter_waiting(without_store_path(error, self._store.path))
        except Exception:
            self._enter_waiting("the published version could not be loaded; the log says why")

    async def follow(self) -> None:
        """Serve the version that the store publishes whenever that changes, until cancelled.

        A version that was swapped in by hand stays until the store publishes another one.
        """
        retry_at: float | None = None
        while True:
            await asyncio.sleep(FOLLOW_SECONDS)
            published = await run_in_daemon_thread(self._read_published, "vitrine-follow")
            is_retry_due = retry_at is not None and time.monotonic() >= retry_at
            if (
                published is None
                or self.loading is not None
                or (published == self._last_published and not is_retry_due)
            ):
                continue
            self._last_published, retry_at = published, None
            try:
                await self.swap(published, "follow")
            except NotReadyError:
                return  # the process is about to stop
            except Exception:  # `swap` has logged it
                retry_at = time.monotonic() + RETRY_SECONDS

    def _read_published(self) -> str | None:
        """Return the version that the store publishes; None if there is none or it cannot be read."""
        try:
            return self._store.publication().current
        except (ArtifactError, OSError) as error:
            _log.warning("follow", outcome="unreadable", reason=str(error))
            return None

    async def swap(self, version_id: str, kind: Kind = "swap") -> Change:
        """Serve this version of the store.

        Args:
            version_id: the version.
            kind: what asked for the change, for logs and metrics.

        Raises:
            ConflictError: another change is under way.
            UnknownVersionError: the store has no such version. The served version stays.
            VersionRefusedError: the version cannot be served. The served version stays.
            NotReadyError: the process is about to stop.
        """
        self._check_can_change()
        if self.served is not None and self.served.version_id == version_id:
            return Change(version_id, version_id, took_seconds=0, index_device=self.served.index_device)
        before = self.served.version_id if self.served else None
        change = await self._change(kind, version_id)
        if before is not None:
            self.previous = (before, *self.previous)[:_MAX_PREVIOUS]
        return change

    async def rollback(self) -> Change:
        """Serve the version that was served before the present one; see `swap` for errors."""
        self._check_can_change()
        if not self.previous:
            raise ConflictError("this process has served no other version to go back to; swap to one by name")
        change = await self._change("rollback", self.previous[0])
        self.previous = self.previous[1:]
        return change

    def _check_can_change(self) -> None:
        if self._state is ServiceState.DRAINING:
            raise NotReadyError("the process is about to stop")
        if self.loading is not None:
            raise ConflictError(f"version {self.loading} is being loaded; try again when that is done")

    async def _change(self, kind: Kind, version_id: str) -> Change:
        started_at = time.monotonic()
        self.loading = version_id
        try:
            process = await self._open(version_id)
            replaced = await self._switch_to(process)
        except (UnknownVersionError, VersionRefusedError) as error:
            self._record(Attempt(kind, version_id, "refused", str(error)))
            _log.error(kind, outcome="refused", version=version_id, reason=str(error))
            raise
        except Exception:
            reason = "an unexpected error occurred inside the service; its log has the details"
            self._record(Attempt(kind, version_id, "failed", reason))
            _log.exception(kind, outcome="failed", version=version_id)
            raise
        finally:
            self.loading = None
        took_seconds = time.monotonic() - started_at
        self._record(Attempt(kind, version_id, "served"))
        index_device = process.served.index_device
        _log.info(
            kind, outcome="served", version=version_id, took_s=round(took_seconds, 2), index_device=str(index_device)
        )
        return Change(version_id, replaced, took_seconds, index_device)

    def _record(self, attempt: Attempt) -> None:
        self.last_attempt = attempt
        self._metrics.count_change(attempt.kind, attempt.outcome)

    async def _switch_to(self, process: VersionProcess) -> str | None:
        """Send searches to another process, end the one before, and return the version that was replaced."""
        before, self._process = self._process, process
        for batcher in self._batchers:
            batcher.switch(process)
        self._on_switch()
        replaced = self.served.version_id if self.served else None
        self.served = process.served
        process.when_lost(self._recover_lost_process)
        manifest = process.served.manifest
        self._metrics.show_version(process.served.version_id, manifest.model.name, manifest.count)
        self._metrics.show_devices(encoder=str(process.served.encoder_device), index=str(process.served.index_device))
        if self._state is not ServiceState.DRAINING:
            self._state = ServiceState.SERVING
        if before is not None:
            await before.shut_down()
        return replaced

    def _recover_lost_process(self, how: str) -> None:
        """Load the served version again after its process was lost.

        Args:
            how: how it was lost, as a clause.
        """
        assert self.served is not None and self._process is not None
        version_id, pid = self.served.version_id, self._process.pid
        self.served, self._process = None, None
        for batcher in self._batchers:
            batcher.pause()
        self._metrics.show_no_version()
        self.reason = f"the worker process of version {version_id} {how}"
        _log.error("search_process_lost", version=version_id, pid=pid, reason=how)
        if self._state is ServiceState.SERVING:
            self._state = ServiceState.STARTING
            self.reason += "; another one is being started"
            waits = itertools.chain((0.0,), _retry_seconds())
            self._recoveries.start(self._retry(lambda: self._reload(version_id), waits))

    async def _reload(self, version_id: str) -> None:
        """Serve a version again, or keep the reason why it cannot be served."""
        try:
            await self._change("recover", version_id)
        except Exception as error:
            self._enter_waiting(f"version {version_id} cannot be loaded again: {error}")

    async def _retry(self, attempt: Callable[[], Awaitable[None]], waits: Iterator[float]) -> None:
        """Try to serve a version until that or another one is served.

        Args:
            attempt: tries it once.
            waits: how many seconds to wait before each attempt.
        """
        while self.served is None:
            await asyncio.sleep(next(waits))
            while self.loading is not None:  # another version is being loaded and may be served soon
                await asyncio.sleep(FOLLOW_SECONDS)
            if self.served is None:
                await attempt()

    def _enter_waiting(self, reason: str) -> None:
        self.reason = reason
        _log.error("waiting", reason=reason)
        if self._state is ServiceState.STARTING:
            self._state = ServiceState.WAITING


def _retry_seconds() -> Iterator[float]:
    """Yield the times between attempts to serve any version at all: short ones first, since no search is answered."""
    seconds = _FIRST_RETRY_SECONDS
    while True:
        yield min(seconds, RETRY_SECONDS)
        seconds *= 2
