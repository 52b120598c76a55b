"""Micro-batching: one worker thread that answers together whatever queued meanwhile.

The worker waits for nothing: when idle it takes a single search at once, and while it works the next batch
gathers by itself. It owns the served version and changes it only between two batches, so that every search is
answered by one version from encoder to products.

A batch is cut into parts, one a thread, and each thread encodes and searches its part from beginning to end: the
threads meet once a batch, where threads inside of the encoder and of FAISS would meet at every layer.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from knn import set_threads
from service.answering import Found, Query, answer_queries
from service.errors import NotReadyError, OverloadedError, SearchFailedError, ServiceError
from service.hit_table import HitTable
from service.loaded_version import LoadedVersion
from service.logs import EventLog
from service.metrics import Metrics, StageSeconds

_log = EventLog(__name__)
_LEAST_PART = 8  # searches; each part goes once through all weights and all centres of lists, however few it has


@dataclass(frozen=True, eq=False)
class Answer:
    """What a search found, and in which version."""

    version_id: str
    hits: HitTable
    found: Found
    stages: StageSeconds


@dataclass(frozen=True, eq=False)
class _Job:
    query: Query
    future: asyncio.Future[Answer]
    queued_at: float


@dataclass(frozen=True, eq=False)
class _Switch:
    version: LoadedVersion
    future: asyncio.Future[LoadedVersion | None]


class _Stop:
    """The last thing that the worker takes."""


_Outcome = tuple[_Job, Answer | ServiceError]


class Batcher:
    """Answers searches in batches. Its methods are called on the event loop.

    Args:
        max_batch: Searches answered together, at most.
        max_queue: Searches that may wait.
        search_threads: Of FAISS, for each part of a batch.
        metrics: Told of every batch.
        max_parts: Threads that may share a batch.
    """

    def __init__(
        self, *, max_batch: int, max_queue: int, search_threads: int, metrics: Metrics, max_parts: int = 1
    ) -> None:
        self._max_batch = max_batch
        self._max_queue = max_queue
        self._search_threads = search_threads
        self._max_parts = max_parts
        self._helpers = ThreadPoolExecutor(  # which begins threads as they are needed
            max_parts, thread_name_prefix="vitrine-helper", initializer=set_threads, initargs=(search_threads,)
        )
        self._metrics = metrics
        self._queue: SimpleQueue[_Job | _Switch | _Stop] = SimpleQueue()
        self._version: LoadedVersion | None = None  # only the worker touches it
        self._accepts = False  # only the event loop touches it
        self._loop: asyncio.AbstractEventLoop | None = None
        self._worker = threading.Thread(target=self._work, name="vitrine-search", daemon=True)
        metrics.watch_queue(self._queue.qsize)

    def start(self) -> None:
        """Start the worker; call it on the event loop that will search."""
        self._loop = asyncio.get_running_loop()
        self._worker.start()

    async def stop(self, patience_seconds: float) -> None:
        """Take no more searches, answer those that wait, and end the worker, or give up waiting for it."""
        self._accepts = False
        self._queue.put(_Stop())
        give_up_at = time.monotonic() + patience_seconds
        while self._worker.is_alive() and time.monotonic() < give_up_at:
            await asyncio.sleep(0.005)

    def submit(self, queries: Sequence[Query]) -> list[asyncio.Future[Answer]]:
        """Queue queries, all or none. Cancel a future to give its query up.

        Raises:
            NotReadyError: No version is served.
            OverloadedError: The queue has no room for all of them.
        """
        if not self._accepts or self._loop is None:
            raise NotReadyError("no index version is served")
        waiting = self._queue.qsize()
        if waiting + len(queries) > self._max_queue:
            raise OverloadedError(f"{waiting} searches are waiting already; try again in a moment")
        queued_at = time.perf_counter()
        jobs = [_Job(query, self._loop.create_future(), queued_at) for query in queries]
        for job in jobs:
            self._queue.put(job)
        return [job.future for job in jobs]

    async def switch(self, version: LoadedVersion) -> LoadedVersion | None:
        """Serve another version from the next batch on; returns the one before, which no search uses now."""
        assert self._loop is not None, "switch before start"
        future: asyncio.Future[LoadedVersion | None] = self._loop.create_future()
        self._queue.put(_Switch(version, future))
        before = await future
        self._accepts = True
        return before

    def _work(self) -> None:
        set_threads(self._search_threads)
        while True:
            jobs, control = self._take()
            if jobs:
                self._share(jobs)
            if isinstance(control, _Switch):
                self._change_version(control)
            elif isinstance(control, _Stop):
                self._helpers.shutdown(wait=False)
                return
            del jobs, control  # while it waits, the worker holds nothing of an old version

    def _take(self) -> tuple[list[_Job], _Switch | _Stop | None]:
        """Whatever queued, at least one thing, up to and including the first that is no search."""
        jobs: list[_Job] = []
        item = self._queue.get()
        try:
            while isinstance(item, _Job):
                if not item.future.cancelled():
                    jobs.append(item)
                if len(jobs) >= self._max_batch:
                    return jobs, None
                item = self._queue.get_nowait()
        except Empty:
            return jobs, None
        return jobs, item

    def _change_version(self, switch: _Switch) -> None:
        before, self._version = self._version, switch.version
        if before is not None:
            before.release_device()
        self._call_on_loop(_hand_over, switch.future, before)

    def _share(self, jobs: Sequence[_Job]) -> None:
        """Answer a batch, a part on each thread; each part is settled as soon as it is answered."""
        self._metrics.record_batch(len(jobs))
        mine, *others = _cut(jobs, self._max_parts)
        elsewhere = [self._helpers.submit(self._answer_part, part) for part in others]
        self._answer_part(mine)
        for part in elsewhere:
            part.result()

    def _answer_part(self, jobs: Sequence[_Job]) -> None:
        self._call_on_loop(_settle, self._answer(jobs))

    def _answer(self, jobs: Sequence[_Job]) -> list[_Outcome]:
        """An outcome for each job. Where they break as a whole, each is tried alone."""
        assert self._version is not None, "a search was queued before any version"
        try:
            return _answer_together(jobs, self._version)
        except Exception:
            _log.exception("batch_failed", version=self._version.version_id, searches=len(jobs))
        if len(jobs) > 1:
            return [outcome for job in jobs for outcome in self._answer([job])]
        return [(jobs[0], SearchFailedError("the search broke inside the service; its log says how"))]

    def _call_on_loop(self, callback: Callable[..., None], *arguments: object) -> None:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(callback, *arguments)
        except RuntimeError:  # the loop was closed: the process is ending and nobody waits
            _log.warning("answers_dropped")


def _cut(jobs: Sequence[_Job], most: int) -> list[Sequence[_Job]]:
    """As many parts as are worth it, and as equal as can be."""
    parts = max(1, min(most, len(jobs) // _LEAST_PART))
    return [jobs[number::parts] for number in range(parts)]


def _answer_together(jobs: Sequence[_Job], version: LoadedVersion) -> list[_Outcome]:
    taken_at = time.perf_counter()
    batch = answer_queries([job.query for job in jobs], version)

    def outcome(job: _Job, result: Found | ServiceError) -> Answer | ServiceError:
        if isinstance(result, ServiceError):
            return result
        stages = StageSeconds(job.queued_at, taken_at - job.queued_at, batch.encode_seconds, batch.search_seconds)
        return Answer(version.version_id, version.hits, result, stages)

    return [(job, outcome(job, result)) for job, result in zip(jobs, batch.results, strict=True)]


def _settle(outcomes: Sequence[_Outcome]) -> None:
    """Give each waiting request its outcome, on the event loop."""
    for job, outcome in outcomes:
        if job.future.done():  # its client has gone
            continue
        if isinstance(outcome, Answer):
            job.future.set_result(outcome)
        else:
            # Several requests may share one error; each raises its own.
            job.future.set_exception(type(outcome)(*outcome.args))


def _hand_over(future: asyncio.Future[LoadedVersion | None], before: LoadedVersion | None) -> None:
    if not future.done():
        future.set_result(before)
