"""Micro-batching: worker threads that answer together whatever queued meanwhile.

A worker waits for nothing: when idle it takes a single search at once, and while all work the next batches gather by
themselves. Each encodes and searches its own batch from beginning to end, and none waits for another: threads inside
of the encoder and of FAISS would meet at every layer. They share what waits, as long as a share is worth it.

One worker at a time takes from the queue, and the served version changes only while none has a batch, so that every
search is answered by one version from encoder to products.
"""

import asyncio
import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from knn import set_threads
from service.answering import Found, FoundProduct, Query, answer_queries
from service.errors import NotReadyError, OverloadedError, SearchFailedError, ServiceError
from service.loaded_version import LoadedVersion
from service.logs import EventLog
from service.metrics import Metrics, StageSeconds
from service.work_queue import WorkQueue

_log = EventLog(__name__)
_LEAST_SHARE = 16  # searches; a batch goes once through all weights and all centres of lists, however few it has


@dataclass(frozen=True, eq=False)
class Answer:
    """What a search found, and in which version.

    Attributes:
        content: Of what was found, as in `BatchResult.contents`.
    """

    version_id: str
    content: bytes
    found: Found | FoundProduct
    stages: StageSeconds

    @property
    def passing(self) -> int | None:
        """How many products meet the filters; None without filters."""
        return self.found.passing if isinstance(self.found, Found) else None


@dataclass(frozen=True, eq=False)
class _Job:
    query: Query
    future: asyncio.Future[Answer]
    queued_at: float


@dataclass(frozen=True, eq=False)
class _Switch:
    version: LoadedVersion
    future: asyncio.Future[list[LoadedVersion]]


class _Stop:
    """The last thing that the worker takes."""


_Outcome = tuple[_Job, Answer | ServiceError]


class Batcher:
    """Answers searches in batches. Its methods are called on the event loop.

    Args:
        max_batch: Searches answered together, at most.
        max_queue: Searches that may wait.
        search_threads: Of FAISS, for each batch.
        metrics: Told of every batch.
        workers: Threads that answer batches.
    """

    def __init__(
        self, *, max_batch: int, max_queue: int, search_threads: int, metrics: Metrics, workers: int = 1
    ) -> None:
        self._max_batch = max_batch
        self._max_queue = max_queue
        self._search_threads = search_threads
        self._metrics = metrics
        self._queue: WorkQueue[_Job | _Switch | _Stop] = WorkQueue()
        self._accepts = False  # only the event loop touches it
        self._loop: asyncio.AbstractEventLoop | None = None
        self._taking = threading.Lock()  # of the worker that takes from the queue, and of this:
        self._version: LoadedVersion | None = None
        self._resting = threading.Semaphore(workers)  # how many workers have no batch
        self._workers = [
            threading.Thread(target=self._work, name=f"vitrine-search-{number}", daemon=True)
            for number in range(workers)
        ]
        metrics.watch_queue(self._queue.__len__)

    def start(self) -> None:
        """Start the workers; call it on the event loop that will search."""
        self._loop = asyncio.get_running_loop()
        for worker in self._workers:
            worker.start()

    async def stop(self, patience_seconds: float) -> None:
        """Take no more searches, answer those that wait, and end the workers, or give up waiting for them."""
        self._accepts = False
        self._queue.put(_Stop())
        give_up_at = time.monotonic() + patience_seconds
        while any(worker.is_alive() for worker in self._workers) and time.monotonic() < give_up_at:
            await asyncio.sleep(0.005)

    def submit(self, queries: Sequence[Query]) -> list[asyncio.Future[Answer]]:
        """Queue queries, all or none. Cancel a future to give its query up.

        Raises:
            NotReadyError: No version is served.
            OverloadedError: The queue has no room for all of them.
        """
        if not self._accepts or self._loop is None:
            raise NotReadyError("no index version is served")
        waiting = len(self._queue)
        if waiting + len(queries) > self._max_queue:
            raise OverloadedError(f"{waiting} searches are waiting already; try again in a moment")
        queued_at = time.perf_counter()
        jobs = [_Job(query, self._loop.create_future(), queued_at) for query in queries]
        for job in jobs:
            self._queue.put(job)
        return [job.future for job in jobs]

    async def switch(self, version: LoadedVersion) -> list[LoadedVersion]:
        """Serve another version from the next batch on.

        Returns:
            The one before, if any, which no search uses now. Nothing else refers to it, so that whoever empties the
            list frees it, which takes long.
        """
        assert self._loop is not None, "switch before start"
        future: asyncio.Future[list[LoadedVersion]] = self._loop.create_future()
        self._queue.put(_Switch(version, future))
        replaced = await future
        self._accepts = True
        return replaced

    def _work(self) -> None:
        set_threads(self._search_threads)
        while self._do_next():
            pass

    def _do_next(self) -> bool:
        """Take what comes next and do it; false when the work ends. Between two calls nothing of a version is held."""
        self._queue.wait()
        with self._taking:
            jobs = self._take_share()
            control = None if jobs else self._take_control()
            if isinstance(control, _Switch):
                self._change_version(control)
            version = self._version
            self._resting.acquire()
        self._queue.pass_on()
        try:
            if jobs:
                assert version is not None, "a search was queued before any version"
                self._metrics.record_batch(len(jobs))
                self._call_on_loop(_settle, self._answer(jobs, version))
        finally:
            del version  # or this frame might be the last to hold it
            self._resting.release()
        if isinstance(control, _Stop):
            self._queue.put(control)  # for the next worker
            return False
        return True

    def _take_share(self) -> list[_Job]:
        """Searches from the front of the queue; none where there are none, or where something else comes first."""
        most = min(self._max_batch, max(_LEAST_SHARE, math.ceil(len(self._queue) / len(self._workers))))
        jobs: list[_Job] = []
        while len(jobs) < most and isinstance(job := self._queue.first(), _Job):
            self._queue.take()
            if not job.future.cancelled():
                jobs.append(job)
        return jobs

    def _take_control(self) -> _Switch | _Stop | None:
        """What is no search, where it comes first."""
        first = self._queue.first()
        if first is None or isinstance(first, _Job):  # which came just now
            return None
        self._queue.take()
        return first

    def _change_version(self, switch: _Switch) -> None:
        for _ in self._workers:
            self._resting.acquire()
        replaced = [self._version] if self._version else []
        self._version = switch.version
        if replaced:
            replaced[0].release_device()
        for _ in self._workers:
            self._resting.release()
        self._call_on_loop(_hand_over, switch.future, replaced)

    def _answer(self, jobs: Sequence[_Job], version: LoadedVersion) -> list[_Outcome]:
        """An outcome for each job. Where they break as a whole, each is tried alone."""
        try:
            return _answer_together(jobs, version)
        except Exception:
            _log.exception("batch_failed", version=version.version_id, searches=len(jobs))
        if len(jobs) > 1:
            return [outcome for job in jobs for outcome in self._answer([job], version)]
        return [(jobs[0], SearchFailedError("the search broke inside the service; its log says how"))]

    def _call_on_loop(self, callback: Callable[..., None], *arguments: object) -> None:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(callback, *arguments)
        except RuntimeError:  # the loop was closed: the process is ending and nobody waits
            _log.warning("answers_dropped")


def _answer_together(jobs: Sequence[_Job], version: LoadedVersion) -> list[_Outcome]:
    taken_at = time.perf_counter()
    batch = answer_queries([job.query for job in jobs], version)
    seconds = (batch.encode_seconds, batch.search_seconds, batch.render_seconds)

    def outcome(job: _Job, result: Found | FoundProduct | ServiceError, content: bytes) -> Answer | ServiceError:
        if isinstance(result, ServiceError):
            return result
        stages = StageSeconds(job.queued_at, taken_at - job.queued_at, *seconds)
        return Answer(version.version_id, content, result, stages)

    outcomes = map(outcome, jobs, batch.results, batch.contents)
    return list(zip(jobs, outcomes, strict=True))


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


def _hand_over(future: asyncio.Future[list[LoadedVersion]], replaced: list[LoadedVersion]) -> None:
    if not future.done():
        future.set_result(replaced)
