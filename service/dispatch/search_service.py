"""What one process holds, from start to stop."""

import asyncio
import contextlib
import os
from collections.abc import Coroutine, Sequence
from functools import partial
from typing import Any, cast

from starlette.requests import HTTPConnection

from artifacts.store import Store
from service.core.device import Device, choose_device
from service.core.freeze_gc import freeze_gc
from service.core.logs import EventLog
from service.core.settings import Settings
from service.dispatch.answer_cache import AnswerCache
from service.dispatch.batcher import Batcher
from service.dispatch.comparison import Comparison
from service.dispatch.swapper import Change, Swapper
from service.dispatch.version_process import Line, Opener, VersionProcess, open_version
from service.protocol.messages import Order
from service.shop_data.judgments import JudgmentFile
from service.shop_data.photos import Photos
from service.telemetry.metrics import Metrics
from service.telemetry.tracing import start_tracing

_log = EventLog(__name__)
_STOP_PATIENCE_SECONDS = 5.0


class SearchService:
    """Settings, metrics, batchers and swapper, made for each other.

    Args:
        settings: Of the process.
        opener: How a version id becomes one that can be asked; a process of the settings' store by default.

    Raises:
        SettingsError: The settings ask for a device that is not there.
    """

    def __init__(self, settings: Settings, opener: Opener | None = None) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.tracing = start_tracing(os.environ)
        self.store = Store(settings.store)
        self.cache = AnswerCache(settings.cache_mb * 1_000_000, self.metrics)
        self.photos = Photos(settings.photos, settings.photo_cache_mb * 1_000_000)
        self._device = choose_device(settings.device)
        _log.info("device", device=self._device)
        self.batcher = Batcher(
            what="searches",
            max_batch=settings.max_batch,
            max_queue=settings.max_queue,
            lines=self._search_lines,
            on_batch=self.metrics.record_batch,
        )
        # A photo takes as long as hundreds of texts, and decoded it may take hundreds of megabytes: one at a time.
        self.photo_batcher = Batcher(
            what="photos", max_batch=1, max_queue=settings.max_photo_queue, lines=lambda version: version.photo_lines
        )
        self.metrics.watch_queue(self.batcher.__len__)
        self.metrics.watch_photos(self.photo_batcher.__len__)
        batchers = (self.batcher, self.photo_batcher)
        self.swapper = Swapper(self.store, opener or self._opener(), batchers, self.metrics, self.cache.clear)
        self.comparison = Comparison(opener or self._opener_to_compare())
        self.judgments = JudgmentFile(settings.judgments) if settings.judgments else None
        self._versions: asyncio.Task[None] | None = None
        self._changes: set[asyncio.Task[Change]] = set()  # kept, since the loop keeps no task

    async def start(self) -> None:
        """Begin to load the published version; returns at once, so that the process can tell its health."""
        freeze_gc()
        self._versions = asyncio.create_task(self._keep_versions())

    async def stop(self) -> None:
        """Answer what waits and end the processes that search."""
        self.swapper.drain()
        if self._versions is not None:
            self._versions.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._versions
        for change in self._changes:
            change.cancel()
        await self.batcher.stop(_STOP_PATIENCE_SECONDS)
        await self.photo_batcher.stop(_STOP_PATIENCE_SECONDS)
        await self.swapper.stop()
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

    def _search_lines(self, version: VersionProcess) -> Sequence[Line]:
        """Of its threads, those that answer batches."""
        point = version.served.manifest.index.chosen
        return version.search_lines[: self.settings.threads_for(point.ms_per_query if point else None)]

    def _opener(self) -> Opener:
        """On a CPU each thread answers batches. On a GPU one does, and FAISS has them for an index left on the CPU."""
        threads = self.settings.most_search_threads
        on_cpu = self._device is Device.CPU
        order = self._order(self._device, index_threads=1 if on_cpu else threads)
        return partial(open_version, order=order, line_count=threads if on_cpu else 1)

    def _opener_to_compare(self) -> Opener:
        """For a second version: a GPU's memory is left to the served one, and photos as queries too."""
        order = self._order(Device.CPU, index_threads=1).model_copy(
            update={"photo_search": False, "most_bytes": self.settings.compare_mb * 1_000_000}
        )
        return partial(open_version, order=order, line_count=1)

    def _order(self, device: Device, index_threads: int) -> Order:
        return Order(
            store=self.settings.store,
            device=device,
            encoder_threads=self.settings.encoder_threads,
            photo_search=self.settings.photo_search,
            index_threads=index_threads,
            log_format=self.settings.log_format,
        )


def service_of(connection: HTTPConnection) -> SearchService:
    """The service that a request came to."""
    return cast(SearchService, connection.app.state.service)
