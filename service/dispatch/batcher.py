"""Micro-batching: each search thread answers together the queries that arrived while it was busy.

No query waits for a batch to fill: an idle thread at once gets what arrived in this turn of the event loop, mostly a
single query. While all threads are busy, the next batches form in the queue. Each thread encodes, searches and renders
its batch from beginning to end. Of several idle threads, the one that answered last is chosen, since its data is still
in the processor's caches. While all threads are busy and the queue is long, a thread is sent its next batch before it
has answered the present one, so that it need not wait for the event loop in between.

A batch is answered by one version; another version takes over between two batches.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from service.core.errors import NotReadyError, OverloadedError, SearchFailedError, ServiceError
from service.dispatch.version_process import VersionProcess
from service.dispatch.worker_channel import WorkerChannel
from service.protocol.answers import BatchAnswer, RenderedAnswer
from service.protocol.messages import Message, answer_from_message, queries_to_message
from service.protocol.queries import Query
from service.telemetry.metrics import StageSeconds

# Each batch reads all weights of the encoder and all centroids of the index once, however few queries it has.
_MIN_SHARE = 11  # queries
_POLL_SECONDS = 0.005


@dataclass(frozen=True, eq=False)
class TimedAnswer:
    """The answer to a query, and how long each stage took."""

    answer: RenderedAnswer
    stages: StageSeconds


@dataclass(frozen=True, eq=False)
class _Job:
    query: Query
    future: asyncio.Future[TimedAnswer]
    queued_at: float


@dataclass(frozen=True, eq=False)
class _Batch:
    """Jobs that were sent together to a search thread of a version."""

    jobs: Sequence[_Job]
    channel: WorkerChannel
    version: VersionProcess
    sent_at: float


class Batcher:
    """Queues queries and sends them in batches to the search threads of a version.

    Its methods are called on the event loop.

    Args:
        noun: what the queue holds, in the plural, for error messages.
        max_batch: the maximum number of queries in a batch.
        max_queue: the maximum number of queries in the queue.
        channels: returns the channels of a version over which its batches go.
        on_batch: called with the size of each batch that is sent.
    """

    def __init__(
        self,
        *,
        noun: str,
        max_batch: int,
        max_queue: int,
        channels: Callable[[VersionProcess], Sequence[WorkerChannel]],
        on_batch: Callable[[int], None] = lambda size: None,
    ) -> None:
        self._noun = noun
        self._max_batch = max_batch
        self._max_queue = max_queue
        self._channels_of = channels
        self._on_batch = on_batch
        self._queue: deque[_Job] = deque()
        self._is_open = False
        self._version: VersionProcess | None = None
        self._channels: list[WorkerChannel] = []  # of the version; the one that replied last stands last
        self._unanswered: set[_Batch] = set()  # also those sent to earlier versions
        self._is_dispatch_scheduled = False

    def __len__(self) -> int:
        """The number of queries in the queue."""
        return len(self._queue)

    def check_room(self, count: int = 1) -> None:
        """Check that the queue has room for so many more queries.

        Raises:
            NotReadyError: no version is served.
            OverloadedError: the queue has too little room.
        """
        if not self._is_open:
            raise NotReadyError("no index version is served")
        if len(self._queue) + count > self._max_queue:
            raise OverloadedError(f"{len(self._queue)} {self._noun} are waiting already; try again in a moment")

    def submit(self, queries: Sequence[Query]) -> list[asyncio.Future[TimedAnswer]]:
        """Queue all queries, or none if there is too little room. Cancelling a future withdraws its query.

        Raises:
            NotReadyError: no version is served.
            OverloadedError: the queue has too little room.
        """
        self.check_room(len(queries))
        loop, queued_at = asyncio.get_running_loop(), time.perf_counter()
        jobs = [_Job(query, loop.create_future(), queued_at) for query in queries]
        self._queue.extend(jobs)
        self._schedule_dispatch()
        return [job.future for job in jobs]

    def switch(self, version: VersionProcess) -> None:
        """Send all further batches to another version. The one before answers the batches that it was sent."""
        self._version, self._channels = version, list(self._channels_of(version))
        self._is_open = True
        self._schedule_dispatch()

    def pause(self) -> None:
        """Refuse further queries until a version is served again; it will answer those in the queue."""
        self._is_open = False
        self._version, self._channels = None, []

    async def stop(self, timeout_seconds: float) -> None:
        """Refuse further queries, wait until all accepted ones are answered or the time is up, and fail the others."""
        self._is_open = False
        loop = asyncio.get_running_loop()
        deadline_at = loop.time() + timeout_seconds
        while (self._queue or self._unanswered) and loop.time() < deadline_at:
            await asyncio.sleep(_POLL_SECONDS)
        self.give_up()

    def give_up(self) -> None:
        """Refuse further queries, and fail all accepted ones that have no answer yet."""
        self._is_open = False
        error = "the process is about to stop and has no time left for the search; try again in a moment"
        for jobs in (self._queue, *(batch.jobs for batch in self._unanswered)):
            _fail(jobs, lambda: NotReadyError(error))
        self._queue.clear()

    def _schedule_dispatch(self) -> None:
        """Dispatch at the end of this turn of the event loop, when all that arrived in it is queued."""
        if not self._is_dispatch_scheduled and self._available_channel():
            self._is_dispatch_scheduled = True
            asyncio.get_running_loop().call_soon(self._dispatch)

    def _dispatch(self) -> None:
        self._is_dispatch_scheduled = False
        while self._version is not None and (channel := self._available_channel()) and (jobs := self._take_batch()):
            self._on_batch(len(jobs))
            batch = _Batch(jobs, channel, self._version, time.perf_counter())
            self._unanswered.add(batch)
            channel.send(queries_to_message([job.query for job in jobs]), partial(self._handle_reply, batch))

    def _handle_reply(self, batch: _Batch, message: Message | None) -> None:
        """Send the thread its next batch before the requests of this one go on, so that it is idle only briefly."""
        self._unanswered.discard(batch)
        if message is None:
            _fail(batch.jobs, lambda: NotReadyError("the search process was lost; try again in a moment"))
            return
        if batch.version is self._version:
            self._channels.remove(batch.channel)
            self._channels.append(batch.channel)
            self._dispatch()
        try:
            _resolve(batch, answer_from_message(message, batch.version.served.version_id))
        except Exception:
            _fail(batch.jobs, lambda: SearchFailedError("the search failed inside the service; its log says why"))
            raise

    def _available_channel(self) -> WorkerChannel | None:
        """Return the idle channel that replied last; if none is idle and the queue is long, one with a single batch."""
        for channel in reversed(self._channels):
            if not channel.pending and channel.is_open:
                return channel
        if len(self._queue) >= _MIN_SHARE:
            for channel in self._channels:
                if channel.pending == 1 and channel.is_open:
                    return channel
        return None

    def _take_batch(self) -> list[_Job]:
        """Remove one thread's share of the queue from its front."""
        size = min(self._max_batch, max(_MIN_SHARE, math.ceil(len(self._queue) / len(self._channels))))
        jobs: list[_Job] = []
        while self._queue and len(jobs) < size:
            job = self._queue.popleft()
            if not job.future.done():  # a withdrawn query is skipped
                jobs.append(job)
        return jobs


def _resolve(batch: _Batch, answer: BatchAnswer) -> None:
    """Give each waiting request its outcome."""
    seconds = answer.seconds
    for job, outcome in zip(batch.jobs, answer.outcomes, strict=True):
        if job.future.done():  # the query was withdrawn
            continue
        if isinstance(outcome, ServiceError):
            job.future.set_exception(outcome)
            continue
        stages = StageSeconds(
            job.queued_at,
            batch.sent_at - job.queued_at,
            seconds.decode,
            seconds.encode,
            seconds.words,
            seconds.search,
            seconds.render,
        )
        job.future.set_result(TimedAnswer(outcome, stages))


def _fail(jobs: Iterable[_Job], error: Callable[[], ServiceError]) -> None:
    """Fail all requests that still wait; each raises an error of its own."""
    for job in jobs:
        if not job.future.done():
            job.future.set_exception(error())
