"""Which version is served: at the start, after a swap, after a rollback. Never writes to the store."""

import asyncio
import enum
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from artifacts.errors import ArtifactError
from artifacts.store import Store
from service.core.errors import ConflictError, NotReadyError, RequestError, UnknownVersionError, VersionRefusedError
from service.core.logs import EventLog
from service.core.threads import run_in_daemon_thread
from service.dispatch.batcher import Batcher
from service.dispatch.version_process import Opener, VersionProcess
from service.protocol.served_version import ServedVersion
from service.telemetry.metrics import Metrics

_log = EventLog(__name__)
FOLLOW_SECONDS = 1.0  # between two looks at what the store publishes
RETRY_SECONDS = 30.0  # until a published version that could not be served is tried again: its files may still come
_REMEMBERED = 20  # versions that rollbacks can go back through

Kind = Literal["start", "follow", "swap", "rollback", "recover"]
Outcome = Literal["served", "refused", "failed"]


class ServiceState(enum.Enum):
    """Whether searches can be answered."""

    STARTING = "starting"  # the published version is being loaded
    WAITING = "waiting"  # the store publishes no version that can be served; a swap can bring one
    SERVING = "serving"  # searches are answered
    DRAINING = "draining"  # the process was told to stop; searches are answered until it does


@dataclass(frozen=True)
class Change:
    """A change of version that succeeded."""

    version_id: str
    replaced: str | None  # None at the first; the version itself where it was served already
    took_seconds: float


@dataclass(frozen=True)
class Attempt:
    """How the last attempt to change the version ended.

    Attributes:
        reason: Why another version is not served; None where it is.
    """

    kind: Kind
    version_id: str
    outcome: Outcome
    reason: str | None = None


class Swapper:
    """Has versions loaded beside the served one and switches to those that are good.

    Its methods run on the event loop; one change at a time.

    Args:
        store: Of the versions; only read.
        open_version: Begins a process that has one.
        batchers: That hand queries to the served one.
        metrics: Told of every change.
        on_switch: Called when another version is served.
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
        self._recovery: asyncio.Task[None] | None = None
        self._followed: str | None = None  # what the store published when that was looked at last
        self._state = ServiceState.STARTING
        self.served: ServedVersion | None = None
        self.previous: tuple[str, ...] = ()  # served before, latest first; ids only, so their memory is free
        self.loading: str | None = None
        self.last_attempt: Attempt | None = None
        self.reason = "the published version is being loaded"  # why nothing is served

    @property
    def state(self) -> ServiceState:
        """Whether searches can be answered."""
        return self._state

    @property
    def is_draining(self) -> bool:
        """Whether the process was told to stop."""
        return self._state is ServiceState.DRAINING

    def drain(self) -> None:
        """Be not ready any more. Safe in a signal handler."""
        self._state = ServiceState.DRAINING

    async def stop(self) -> None:
        """End the process of the served version, after the batchers were stopped."""
        if self._recovery is not None:
            self._recovery.cancel()
        if self._process is not None:
            process, self._process = self._process, None
            await process.end()

    async def start(self) -> None:
        """Serve what the store publishes; if that cannot be, say why and wait for a swap."""
        try:
            published = self._store.publication().current
            if published is None:
                raise UnknownVersionError("the store publishes no version")
            self._followed = published
            await self._change("start", published)
        except (RequestError, ArtifactError) as error:
            self._settle_waiting(str(error).replace(f"{self._store.path}/", ""))
        except Exception:
            self._settle_waiting("the published version could not be loaded; the log says why")

    async def follow(self) -> None:
        """Serve what the store publishes whenever that changes, until cancelled. A swap by hand stays until then."""
        retry_at = time.monotonic() + RETRY_SECONDS if self.served is None else None
        while True:
            await asyncio.sleep(FOLLOW_SECONDS)
            published = await run_in_daemon_thread(self._published, "vitrine-follow")
            due = retry_at is not None and time.monotonic() >= retry_at
            if published is None or self.loading is not None or (published == self._followed and not due):
                continue
            self._followed, retry_at = published, None
            try:
                await self.swap(published, "follow")
            except NotReadyError:
                return  # the process is about to stop
            except Exception:  # which is logged
                retry_at = time.monotonic() + RETRY_SECONDS

    def _published(self) -> str | None:
        """What the store publishes; None where it cannot be told, and then the served version stays."""
        try:
            return self._store.publication().current
        except (ArtifactError, OSError) as error:
            _log.warning("follow", outcome="unreadable", reason=str(error))
            return None

    async def swap(self, version_id: str, kind: Kind = "swap") -> Change:
        """Serve this version of the store.

        Raises:
            ConflictError: Another change is under way.
            UnknownVersionError, VersionRefusedError: It cannot be served; what was served still is.
            NotReadyError: The process is about to stop.
        """
        self._check_free()
        if self.served is not None and self.served.version_id == version_id:
            return Change(version_id, replaced=version_id, took_seconds=0)
        before = self.served.version_id if self.served else None
        change = await self._change(kind, version_id)
        if before is not None:
            self.previous = (before, *self.previous)[:_REMEMBERED]
        return change

    async def rollback(self) -> Change:
        """Serve what was served before the present version, however that came; see `swap` for errors."""
        self._check_free()
        if not self.previous:
            raise ConflictError("this process has served no other version to go back to; swap to one by name")
        change = await self._change("rollback", self.previous[0])
        self.previous = self.previous[1:]
        return change

    def _check_free(self) -> None:
        if self._state is ServiceState.DRAINING:
            raise NotReadyError("the process is about to stop")
        if self.loading is not None:
            raise ConflictError(f"version {self.loading} is being loaded; try again when that is done")

    async def _change(self, kind: Kind, version_id: str) -> Change:
        started_at = time.monotonic()
        self.loading = version_id
        try:
            replaced = await self._serve(await self._open(version_id))
        except (UnknownVersionError, VersionRefusedError) as error:
            self._note(Attempt(kind, version_id, "refused", str(error)))
            _log.error(kind, outcome="refused", version=version_id, reason=str(error))
            raise
        except Exception:
            self._note(Attempt(kind, version_id, "failed", "something broke inside the service; its log says what"))
            _log.exception(kind, outcome="failed", version=version_id)
            raise
        finally:
            self.loading = None
        took_seconds = time.monotonic() - started_at
        self._note(Attempt(kind, version_id, "served"))
        _log.info(kind, outcome="served", version=version_id, took_s=round(took_seconds, 2))
        return Change(version_id, replaced, took_seconds)

    def _note(self, attempt: Attempt) -> None:
        self.last_attempt = attempt
        self._metrics.count_change(attempt.kind, attempt.outcome)

    async def _serve(self, process: VersionProcess) -> str | None:
        """Switch to a process, and end the one before when it has answered what it was asked."""
        before, self._process = self._process, process
        for batcher in self._batchers:
            batcher.switch(process)
        self._on_switch()
        replaced = self.served.version_id if self.served else None
        self.served = process.served
        process.on_lost = self._recover
        manifest = process.served.manifest
        self._metrics.show_version(process.served.version_id, manifest.model.name, manifest.count)
        if self._state is not ServiceState.DRAINING:
            self._state = ServiceState.SERVING
        if before is not None:
            await before.end()
        return replaced

    def _recover(self) -> None:
        """The process that searched has ended by itself: its version is loaded again."""
        assert self.served is not None
        version_id, self.served, self._process = self.served.version_id, None, None
        for batcher in self._batchers:
            batcher.pause()
        self.reason = f"the process that searched version {version_id} ended; another one is being started"
        _log.error("search_process_lost", version=version_id)
        if self._state is ServiceState.SERVING:
            self._state = ServiceState.STARTING
            self._recovery = asyncio.get_running_loop().create_task(self._load_again(version_id))

    async def _load_again(self, version_id: str) -> None:
        """Until it, or another version, is served."""
        while self.served is None:
            if self.loading is not None:  # another version, which may be served soon
                await asyncio.sleep(FOLLOW_SECONDS)
                continue
            try:
                await self._change("recover", version_id)
            except Exception as error:
                self._settle_waiting(f"version {version_id} cannot be loaded again: {error}")
                await asyncio.sleep(RETRY_SECONDS)

    def _settle_waiting(self, reason: str) -> None:
        self.reason = reason
        _log.error("waiting", reason=reason)
        if self._state is ServiceState.STARTING:
            self._state = ServiceState.WAITING
