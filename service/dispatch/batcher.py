"""Micro-batching: the threads that search answer together whatever queued meanwhile.

Nothing waits to be gathered: an idle thread gets at once what came in this turn of the event loop, mostly a single
search, and while all work the next batches gather by themselves. Each thread encodes, searches and renders its own
batch from beginning to end. Of idle threads the one that rested last is asked: what it used is still at hand for its
processor. While all work, a thread gets its next batch beforehand as soon as that is worth it, so that it need not wait
for the event loop between two.

A batch goes to one version, which answers it wholly; a version changes between two batches.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from service.core.errors import NotReadyError, OverloadedError, SearchFailedError, ServiceError
from service.dispatch.version_process import Line, VersionProcess
from service.protocol.messages import BatchAnswer, Message, to_message
from service.protocol.queries import Query
from service.telemetry.metrics import StageSeconds

_LEAST_SHARE = 11  # searches; a batch goes once through all weights and all centres of lists, however few it has


@dataclass(frozen=True, eq=False)
class Answer:
    """What a search found, and in which version.

    Attributes:
        content: Its hits as the elements of a JSON array, or its product as an object.
        passing: How many products meet the filters; None without filters.
    """

    version_id: str
    content: bytes
    passing: int | None
    stages: StageSeconds


@dataclass(frozen=True, eq=False)
class _Job:
    query: Query
    future: asyncio.Future[Answer]
    queued_at: float


class Batcher:
    """Hands searches to a version's threads. Its methods are called on the event loop.

    Args:
        what: It hands on, as errors call it.
        max_batch: Searches answered together, at most.
        max_queue: Searches that may wait.
        lines: Of a version, those that take its batches.
        on_batch: Told of how many searches each batch has.
    """

    def __init__(
        self,
        *,
        what: str,
        max_batch: int,
        max_queue: int,
        lines: Callable[[VersionProcess], Sequence[Line]],
        on_batch: Callable[[int], None] = lambda size: None,
    ) -> None:
        self._what = what
        self._max_batch = max_batch
        self._max_queue = max_queue
        self._lines_of = lines
        self._on_batch = on_batch
        self._queue: deque[_Job] = deque()
        self._accepts = False
        self._version: VersionProcess | None = None
        self._lines: list[Line] = []  # of the version; the one that answered last stands last
        self._unanswered = 0  # batches, of versions before this one too
        self._is_called = False  # whether `_hand_out` is about to run

    def __len__(self) -> int:
        """Searches that wait."""
        return len(self._queue)

    def check_room(self, count: int = 1) -> None:
        """Refuse what there is no room for.

        Raises:
            NotReadyError: No version is served.
            OverloadedError: The queue has no room for so many.
        """
        if not self._accepts:
            raise NotReadyError("no index version is served")
        if len(self._queue) + count > self._max_queue:
            raise OverloadedError(f"{len(self._queue)} {self._what} are waiting already; try again in a moment")

    def submit(self, queries: Sequence[Query]) -> list[asyncio.Future[Answer]]:
        """Queue queries, all or none. Cancel a future to give its query up.

        Raises: As `check_room`.
        """
        self.check_room(len(queries))
        loop, queued_at = asyncio.get_running_loop(), time.perf_counter()
        jobs = [_Job(query, loop.create_future(), queued_at) for query in queries]
        self._queue.extend(jobs)
        self._call()
        return [job.future for job in jobs]

    def switch(self, version: VersionProcess) -> None:
        """Serve another version from the next batch on. The one before answers what it has, and gets nothing more."""
        self._version, self._lines = version, list(self._lines_of(version))
        self._accepts = True
        self._call()

    def pause(self) -> None:
        """Take no more searches until a version is served again, which gets those that wait."""
        self._accepts = False
        self._version, self._lines = None, []

    async def stop(self, patience_seconds: float) -> None:
        """Take no more searches and wait for those that were taken, or give up waiting."""
        self._accepts = False
        give_up_at = time.monotonic() + patience_seconds
        while (self._queue or self._unanswered) and time.monotonic() < give_up_at:
            await asyncio.sleep(0.005)

    def _call(self) -> None:
        """Hand out after all that came in this turn of the loop has been queued."""
        if not self._is_called and self._free_line():
            self._is_called = True
            asyncio.get_running_loop().call_soon(self._hand_out)

    def _hand_out(self) -> None:
        self._is_called = False
        while self._version is not None and (line := self._free_line()) and (jobs := self._take_share()):
            self._on_batch(len(jobs))
            self._unanswered += 1
            answered = partial(self._answered, line, jobs, self._version, time.perf_counter())
            line.ask(to_message([job.query for job in jobs]), answered)

    def _answered(
        self, line: Line, jobs: Sequence[_Job], version: VersionProcess, asked_at: float, message: Message | None
    ) -> None:
        """A batch is done: the next one goes out before those who wait for this one are told."""
        self._unanswered -= 1
        if version is self._version and message is not None:
            self._lines.remove(line)
            self._lines.append(line)
            self._hand_out()
        if message is None:
            _fail(jobs)
        else:
            _settle(jobs, BatchAnswer.of_message(message), version.served.version_id, asked_at)

    def _free_line(self) -> Line | None:
        """The idle line that answered last, or where none is idle and many wait, one that answers its only batch."""
        for line in reversed(self._lines):
            if not line.expected:
                return line
        if len(self._queue) >= _LEAST_SHARE:
            for line in self._lines:
                if line.expected == 1:
                    return line
        return None

    def _take_share(self) -> list[_Job]:
        """Searches from the front of the queue."""
        most = min(self._max_batch, max(_LEAST_SHARE, math.ceil(len(self._queue) / len(self._lines))))
        jobs: list[_Job] = []
        while self._queue and len(jobs) < most:
            job = self._queue.popleft()
            if not job.future.done():  # its client has not gone
                jobs.append(job)
        return jobs


def _settle(jobs: Sequence[_Job], answer: BatchAnswer, version_id: str, asked_at: float) -> None:
    """Give each waiting request its outcome."""
    seconds = answer.seconds
    for job, outcome in zip(jobs, answer.outcomes, strict=True):
        if job.future.done():  # its client has gone
            continue
        if isinstance(outcome, ServiceError):
            job.future.set_exception(outcome)
            continue
        stages = StageSeconds(
            job.queued_at, asked_at - job.queued_at, seconds.decode, seconds.encode, seconds.search, seconds.render
        )
        job.future.set_result(Answer(version_id, outcome.content, outcome.passing, stages))


def _fail(jobs: Sequence[_Job]) -> None:
    """Their process has ended."""
    for job in jobs:
        if not job.future.done():
            job.future.set_exception(SearchFailedError("the search broke inside the service; its log says how"))
