"""Which version is served: at the start, after a swap, after a rollback. Never writes to the store."""

import asyncio
import enum
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

from artifacts.errors import ArtifactError
from artifacts.index_version import Manifest
from artifacts.store import Store
from service.batcher import Batcher
from service.columns import ColumnDescription
from service.device import Device
from service.errors import (
    ConflictError,
    NoPhotoSearchError,
    NotReadyError,
    RequestError,
    UnknownVersionError,
    VersionRefusedError,
)
from service.loaded_version import LoadedVersion
from service.logs import EventLog
from service.memory import exempt_from_collection, free
from service.metrics import Metrics
from service.photo_queries import PhotoQueries
from service.threads import run_in_daemon_thread, step_aside

_log = EventLog(__name__)
FOLLOW_SECONDS = 1.0  # between two looks at what the store publishes
RETRY_SECONDS = 30.0  # until a published version that could not be served is tried again: its files may still come
_REMEMBERED = 20  # versions that rollbacks can go back through

Loader = Callable[[str], LoadedVersion]  # version id -> version; UnknownVersionError, VersionRefusedError
Kind = Literal["start", "follow", "swap", "rollback"]
Outcome = Literal["served", "refused", "failed"]


class ServiceState(enum.Enum):
    """Whether searches can be answered."""

    STARTING = "starting"  # the published version is being loaded
    WAITING = "waiting"  # the store publishes no version that can be served; a swap can bring one
    SERVING = "serving"  # searches are answered
    DRAINING = "draining"  # the process was told to stop; searches are answered until it does


@dataclass(frozen=True)
class ServedVersion:
    """What is known of the served version without holding its index in memory."""

    version_id: str
    manifest: Manifest
    index_device: Device
    photos: PhotoQueries | NoPhotoSearchError
    loaded_at: str  # ISO 8601, UTC
    columns: tuple[ColumnDescription, ...]
    parts: tuple[str, ...]  # of its scores; empty where the model mixes title and photo


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
    """Loads versions beside the served one and switches to those that are good.

    Its methods run on the event loop; one change at a time.
    """

    def __init__(
        self, store: Store, load: Loader, batcher: Batcher, metrics: Metrics, on_switch: Callable[[], None]
    ) -> None:
        self._store = store
        self._load = load
        self._batcher = batcher
        self._metrics = metrics
        metrics.expect_changes(get_args(Kind), get_args(Outcome))
        self._on_switch = on_switch  # told when another version is served
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
            loaded = await run_in_daemon_thread(lambda: self._load_to_serve(version_id), "vitrine-load")
            replaced = await self._serve(loaded)
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

    def _load_to_serve(self, version_id: str) -> LoadedVersion:
        step_aside()
        loaded = self._load(version_id)
        exempt_from_collection()
        return loaded

    def _note(self, attempt: Attempt) -> None:
        self.last_attempt = attempt
        self._metrics.count_change(attempt.kind, attempt.outcome)

    async def _serve(self, loaded: LoadedVersion) -> str | None:
        replaced = self.served.version_id if self.served else None
        held = await self._batcher.switch(loaded)
        self._on_switch()
        self.served = ServedVersion(
            loaded.version_id,
            loaded.manifest,
            loaded.index_device,
            loaded.photos,
            loaded.loaded_at,
            columns=loaded.attributes.descriptions,
            parts=loaded.score_parts.names if loaded.score_parts else (),
        )
        self._metrics.show_version(loaded.version_id, loaded.manifest.model.name, loaded.count)
        if self._state is not ServiceState.DRAINING:
            self._state = ServiceState.SERVING
        if replaced is not None:
            await run_in_daemon_thread(partial(free, held), "vitrine-free")
        return replaced

    def _settle_waiting(self, reason: str) -> None:
        self.reason = reason
        _log.error("waiting", reason=reason)
        if self._state is ServiceState.STARTING:
            self._state = ServiceState.WAITING
