"""Everything that one service process holds, from its start to its stop."""

import asyncio
import contextlib
import os
import time
from collections.abc import Coroutine, Sequence
from typing import Any, cast

from starlette.requests import HTTPConnection

from artifacts.store import Store
from service.core.background_tasks import BackgroundTasks
from service.core.device import Device, choose_device
from service.core.drain_plan import DrainPlan, drain_plan
from service.core.freeze_gc import freeze_gc
from service.core.logs import EventLog
from service.core.settings import Settings
from service.core.upload_budget import UploadBudget
from service.dispatch.answer_cache import AnswerCache
from service.dispatch.batcher import Batcher
from service.dispatch.changes import Change
from service.dispatch.child_process import Children
from service.dispatch.comparison import Comparison
from service.dispatch.swapper import Swapper
from service.dispatch.version_process import Opener, TimeLimits, VersionProcess, open_version
from service.dispatch.worker_channel import WorkerChannel
from service.protocol.worker_config import WorkerConfig
from service.shop_data.judgments import JudgmentFile
from service.shop_data.photos import Photos
from service.telemetry.metrics import Metrics
from service.telemetry.tracing import start_tracing

_log = EventLog(__name__)
# A search thread that has answered no batch for so long hangs, unless the deadline of searches is long.
_LEAST_BATCH_SECONDS = 10.0
_LEAST_PHOTO_SECONDS = 90.0  # on a busy machine the process that decodes photos may take a minute to start
# With a GPU: one batch is tokenised and one is rendered while the GPU works on a third.
GPU_SEARCH_THREADS = 3


class SearchService:
    """The settings, metrics, batchers, versions and files of one service process, connected to each other.

    Args:
        settings: the settings of the process.
        opener: starts a worker process for a version; by default one for the settings' store.

    Raises:
        SettingsError: the settings ask for a device that is not there.
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
            noun="searches",
            max_batch=settings.max_batch,
            max_queue=settings.max_queue,
            channels=self._search_channels,
            on_batch=self.metrics.record_batch,
        )
        self.uploads = UploadBudget(settings.max_uploads_mb * 1_000_000)
        # A photo takes as long as hundreds of texts, and may take 100 megabytes when decoded: one at a time.
        self.photo_batcher = Batcher(
            noun="photos",
            max_batch=1,
            max_queue=settings.max_photo_queue,
            channels=lambda version: version.photo_channels,
        )
        # Look-ups take microseconds, and a page of results asks for as many thumbnails as it has products.
        self.lookup_batcher = Batcher(
            noun="look-ups",
            max_batch=settings.max_batch,
            max_queue=settings.max_queue,
            channels=lambda version: version.lookup_channels,
        )
        self.metrics.watch_queue(self.batcher.__len__)
        self.metrics.watch_photos(self.photo_batcher.__len__)
        self._batchers = (self.batcher, self.photo_batcher, self.lookup_batcher)
        self._children = Children()
        self.swapper = Swapper(self.store, opener or self._opener(), self._batchers, self.metrics, self.cache.clear)
        self.comparison = Comparison(opener or self._opener_to_compare())
        self.judgments = JudgmentFile(settings.judgments) if settings.judgments else None
        self._version_task: asyncio.Task[None] | None = None
        self._changes = BackgroundTasks()
        self._drain_plan: DrainPlan | None = None

    async def start(self) -> None:
        """Begin to load the published version. It returns at once, so that the process can report its health."""
        freeze_gc()
        self._version_task = asyncio.create_task(self._serve_published())

    def drain(self) -> DrainPlan:
        """Report that the process is not ready any more, and return when the steps of draining must have ended.

        The times count from the first call. It may be called in a signal handler.
        """
        self.swapper.drain()
        if self._drain_plan is None:
            self._drain_plan = self._plan_from(time.monotonic())
        return self._drain_plan

    def give_up(self) -> None:
        """Answer all accepted searches that have no answer yet with 503, since no time is left for them."""
        for batcher in self._batchers:
            batcher.give_up()
        self.comparison.give_up()

    async def stop(self) -> None:
        """Answer the queries that were accepted and end the worker processes.

        It takes `drain_seconds` at most, which count from the call of `drain` if there was one.
        """
        plan = self._drain_plan or self._plan_from(asyncio.get_running_loop().time())
        self.swapper.drain()
        if self._version_task is not None:
            self._version_task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._version_task
        self._changes.cancel()
        self.photos.stop()
        by = plan.kill_by
        await asyncio.gather(self._stop_serving(by), self.comparison.stop(by), self._stop_tracing(by))
        _log.info("stopped")

    def kill_processes(self) -> None:
        """End all worker processes by force, since this process ends now. Any thread may call it."""
        self._children.kill()

    def _plan_from(self, now: float) -> DrainPlan:
        return drain_plan(now, self.settings.drain_seconds, self.settings.drain_notice_seconds)

    async def _stop_serving(self, by: float) -> None:
        seconds = by - asyncio.get_running_loop().time()
        await asyncio.gather(*(batcher.stop(seconds) for batcher in self._batchers))
        await self.swapper.stop(by)

    async def _stop_tracing(self, by: float) -> None:
        if self.tracing is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(by):
                    await self.tracing.stop()

    def run_change(self, change: Coroutine[Any, Any, Change]) -> asyncio.Task[Change]:
        """Run a change of version as a task that goes on even if nobody awaits it. The swapper logs its failure."""
        return self._changes.start(change)

    async def _serve_published(self) -> None:
        await self.swapper.start()
        if self.settings.follow_store:
            await self.swapper.follow()

    def _search_channels(self, version: VersionProcess) -> Sequence[WorkerChannel]:
        """Return the channels of those threads that answer batches.

        Their number depends on how long a search takes, and on whether a GPU encodes.
        """
        if version.served.encoder_device.gpu is not None:
            return version.search_channels[:GPU_SEARCH_THREADS]
        point = version.served.manifest.index.chosen
        return version.search_channels[: self.settings.threads_for(point.ms_per_query if point else None)]

    def _opener(self) -> Opener:
        """Return what starts worker processes for the served version.

        On a CPU several threads answer batches, each on one core. With a GPU there are GPU_SEARCH_THREADS, which wait
        for each other on the GPU; an index that stays on the CPU is searched by one of them on all cores. There are as
        many threads as on a CPU in any case, since the whole version may move there.
        """
        threads = self.settings.max_search_threads
        config = self._worker_config(self._device, index_threads=threads)
        on_cpu = self._device.gpu is None
        return self._open_with(config, search_threads=threads if on_cpu else max(threads, GPU_SEARCH_THREADS))

    def _opener_to_compare(self) -> Opener:
        """Return what starts worker processes for the second version.

        It runs on the CPU, since a GPU's memory is left to the served version, and is not searched by photo.
        """
        config = self._worker_config(Device.CPU, index_threads=1).model_copy(
            update={"photo_search": False, "max_bytes": self.settings.compare_mb * 1_000_000}
        )
        return self._open_with(config, search_threads=1)

    def _open_with(self, config: WorkerConfig, search_threads: int) -> Opener:
        deadlines = 2 * self.settings.deadline_seconds
        limits = TimeLimits(
            load_seconds=self.settings.load_seconds,
            batch_seconds=max(_LEAST_BATCH_SECONDS, deadlines),
            photo_seconds=max(_LEAST_PHOTO_SECONDS, deadlines),
        )

        async def open_now(version_id: str) -> VersionProcess:
            # Where no version is served there are no searches that loading could slow down, only some that wait for it.
            now = config.model_copy(update={"yields_to_searches": self.swapper.served is not None})
            return await open_version(version_id, now, search_threads, self._children, limits)

        return open_now

    def _worker_config(self, device: Device, index_threads: int) -> WorkerConfig:
        return WorkerConfig(
            store=self.settings.store,
            device=device,
            encoder_threads=self.settings.encoder_threads,
            photo_search=self.settings.photo_search,
            index_threads=index_threads,
            log_format=self.settings.log_format,
        )


def service_of(connection: HTTPConnection) -> SearchService:
    """Return the service that a request was sent to."""
    return cast(SearchService, connection.app.state.service)
