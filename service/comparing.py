"""A second version beside the served one, to compare what both find: loaded on demand, put away when nobody asks."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from artifacts.errors import ArtifactError
from artifacts.index_version import QUERY_FOLDER, IndexVersion, read_manifest
from artifacts.side import read_side_spec
from artifacts.store import Store
from service.answering import Query
from service.batcher import Answer, Batcher
from service.errors import ConflictError, DeadlineError, VersionRefusedError
from service.loaded_version import LoadedVersion
from service.logs import EventLog
from service.memory import free, needed_bytes
from service.metrics import Metrics
from service.threads import run_in_daemon_thread, step_aside

_log = EventLog(__name__)
IDLE_SECONDS = 900.0  # until a version that nobody asks is put away
_STOP_PATIENCE_SECONDS = 5.0


class Comparison:
    """At most one second version at a time, with a worker of its own. Its methods are called on the event loop.

    Args:
        store: Where versions come from.
        load: How a version id becomes a version, on the CPU.
        most_bytes: Of memory that a version may take.

    Attributes:
        version: What is loaded.
        loading: What is being loaded.
    """

    def __init__(self, store: Store, load: Callable[[str], LoadedVersion], most_bytes: int) -> None:
        self._store = store
        self._load = load
        self._most_bytes = most_bytes
        self._batcher: Batcher | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()  # kept, since the loop keeps no task
        self.version: LoadedVersion | None = None
        self.loading: str | None = None

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
        if self._batcher is None:
            return
        batcher, self._batcher = self._batcher, None
        before, self.version = [self.version], None
        await batcher.stop(_STOP_PATIENCE_SECONDS)
        del batcher
        await run_in_daemon_thread(partial(free, before), "vitrine-free")

    async def ask(self, query: Query, deadline_seconds: float) -> Answer:
        """What the second version finds.

        Raises:
            ConflictError: There is none.
            DeadlineError: It took too long.
            ServiceError: The query has no answer, and why.
        """
        if self._batcher is None:
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
            version = await run_in_daemon_thread(lambda: self._load_within_limit(version_id), "vitrine-compare")
            # Numbers of its own, which nobody reads: those of the service tell of its shoppers' searches.
            batcher = Batcher(max_batch=8, max_queue=64, search_threads=1, metrics=Metrics())
            batcher.start()
            await batcher.switch(version)
            self._batcher, self.version = batcher, version
            self._put_off()
            _log.info("compare", outcome="loaded", version=version_id)
        except Exception as error:
            _log.warning("compare", outcome="refused", version=version_id, reason=str(error))
            raise
        finally:
            self.loading = None

    def _load_within_limit(self, version_id: str) -> LoadedVersion:
        needed = _needed(self._store, version_id)
        if needed is not None and needed > self._most_bytes:
            raise VersionRefusedError(
                f"version {version_id}: it takes about {needed / 1e9:.2f} GB of memory and a second version may take "
                f"{self._most_bytes / 1e9:.2f} GB; VITRINE_COMPARE_MB allows more"
            )
        step_aside()
        return self._load(version_id)

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


def _needed(store: Store, version_id: str) -> int | None:
    """What a version takes, by its manifest; None where that cannot be told, and then loading says why."""
    try:
        path = store.version_path(version_id)
        version = IndexVersion(path, read_manifest(path), read_side_spec(path / QUERY_FOLDER))
        return needed_bytes(version, with_photo_encoder=False)
    except (ArtifactError, OSError, KeyError):
        return None
