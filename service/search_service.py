"""What one process holds, from start to stop."""

import asyncio
import contextlib
import os
from collections.abc import Coroutine
from functools import partial
from typing import Any, cast

from starlette.requests import HTTPConnection

from artifacts.store import Store
from service.answer_cache import AnswerCache
from service.batcher import Batcher
from service.comparing import Comparison
from service.device import Device, choose_device
from service.judging import JudgmentFile
from service.loaded_version import load_version
from service.logs import EventLog
from service.metrics import Metrics
from service.photo_reader import PhotoReader
from service.photos import Photos
from service.settings import Settings
from service.swapper import Change, Loader, Swapper
from service.tracing import start_tracing

_log = EventLog(__name__)
_STOP_PATIENCE_SECONDS = 5.0


class SearchService:
    """Settings, metrics, batcher, photo reader and swapper, made for each other.

    Args:
        settings: Of the process.
        load: How a version id becomes a version; from the settings' store by default.

    Raises:
        SettingsError: The settings ask for a device that is not there.
    """

    def __init__(self, settings: Settings, load: Loader | None = None) -> None:
        # A batch has a few short queries: the tokenizer's own threads would cost more than they save.
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        self.settings = settings
        self.metrics = Metrics()
        self.tracing = start_tracing(os.environ)
        self.store = Store(settings.store)
        self.cache = AnswerCache(settings.cache_mb * 1_000_000, self.metrics)
        self.photos = Photos(settings.photos, settings.photo_cache_mb * 1_000_000)
        self._device = choose_device(settings.device)
        _log.info("device", device=self._device)
        # On a CPU each thread answers batches. On a GPU one does, and FAISS has them for an index left on the CPU.
        on_cpu, threads = self._device is Device.CPU, settings.search_threads
        self.batcher = Batcher(
            max_batch=settings.max_batch,
            max_queue=settings.max_queue,
            search_threads=1 if on_cpu else threads,
            workers=threads if on_cpu else 1,
            metrics=self.metrics,
        )
        self.photo_reader = PhotoReader(max_waiting=settings.max_photo_queue, metrics=self.metrics)
        self.swapper = Swapper(self.store, load or self._loader(), self.batcher, self.metrics, self.cache.clear)
        self.comparison = Comparison(self.store, load or self._cpu_loader(), settings.compare_mb * 1_000_000)
        self.judgments = JudgmentFile(settings.judgments) if settings.judgments else None
        self._versions: asyncio.Task[None] | None = None
        self._changes: set[asyncio.Task[Change]] = set()  # kept, since the loop keeps no task

    async def start(self) -> None:
        """Begin to load the published version; returns at once, so that the process can tell its health."""
        self.batcher.start()
        self._versions = asyncio.create_task(self._keep_versions())

    async def stop(self) -> None:
        """Answer what waits and end the worker."""
        self.swapper.drain()
        if self._versions is not None:
            self._versions.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._versions
        self.photo_reader.stop()
        await self.batcher.stop(_STOP_PATIENCE_SECONDS)
        await self.comparison.put_away()
        self.photos.stop()
        if self.tracing is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.tracing.stop(), _STOP_PATIENCE_SECONDS)
        _log.info("stopped")

    def run_change(self, change: Coroutine[Any, Any, Change]) -> asyncio.Task[Change]:
        """Let a change of version run on, whoever waits for it. One that is refused is logged by the swapper."""
        task = asyncio.create_task(change)
        self._changes.add(task)
        task.add_done_callback(self._changes.discard)
        task.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may be left to read it
        return task

    async def _keep_versions(self) -> None:
        await self.swapper.start()
        if self.settings.follow_store:
            await self.swapper.follow()

    def _cpu_loader(self) -> Loader:
        """For a second version: a GPU's memory is left to the served one, and photos as queries too."""
        return partial(load_version, self.store, device=Device.CPU, encoder_threads=1, photo_search=False)

    def _loader(self) -> Loader:
        return partial(
            load_version,
            self.store,
            device=self._device,
            encoder_threads=self.settings.encoder_threads,
            photo_search=self.settings.photo_search,
        )


def service_of(connection: HTTPConnection) -> SearchService:
    """The service that a request came to."""
    return cast(SearchService, connection.app.state.service)
