"""Batches: how they are formed, what is refused, and which failures are survived."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from service.core.errors import NotReadyError, OverloadedError, QueryError, SearchFailedError
from service.dispatch.batcher import Batcher, TimedAnswer
from service.dispatch.version_process import VersionProcess
from service.protocol.messages import Message
from service.protocol.queries import Page, SearchQuery
from tests.service.in_threads import in_threads
from tests.service.stand_ins import BROKEN, UNREADABLE, StandInEncoder, stand_in_version, submit
from tests.service.unresponsive import UnresponsiveWorkers
from tests.service.waiting import WAIT_SECONDS, is_set, threads_ended, until


@asynccontextmanager
async def batching(
    encoder: StandInEncoder | None = None, *, max_batch: int = 8, max_queue: int = 100, workers: int = 1
) -> AsyncIterator[Batcher]:
    """A batcher, serving unless there is no encoder, with so many threads that search."""
    threads = set(threading.enumerate())
    batcher = Batcher(
        noun="searches", max_batch=max_batch, max_queue=max_queue, channels=lambda version: version.search_channels
    )
    opened = [await stand_in("v1", encoder, workers)] if encoder else []
    try:
        if opened:
            batcher.switch(opened[0])
        yield batcher
    finally:
        if encoder is not None:
            encoder.go.set()
        await batcher.stop(WAIT_SECONDS)
        for version in opened:
            await version.shut_down()
        await threads_ended(threads)


async def stand_in(version_id: str, encoder: StandInEncoder, workers: int = 1) -> VersionProcess:
    return await in_threads(lambda version_id: stand_in_version(version_id, encoder), workers)(version_id)


def ids(answer: TimedAnswer) -> list[str]:
    """The products that were found."""
    return [hit["product_id"] for hit in json.loads(b"[%b]" % answer.answer.content)]


async def hold(encoder: StandInEncoder, batcher: Batcher) -> "asyncio.Future[TimedAnswer]":
    """Keep the worker busy with one search until `encoder.go` is set."""
    encoder.go.clear()
    encoder.entered.clear()
    future = submit(batcher, SearchQuery("0", Page(1)))
    await is_set(encoder.entered, "the encoder was not called")
    return future


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 2 * WAIT_SECONDS))


def test_an_idle_worker_takes_one_search_at_once_and_a_busy_one_gathers() -> None:
    async def test() -> None:
        encoder = StandInEncoder()
        async with batching(encoder, max_batch=4) as batcher:
            first = await hold(encoder, batcher)
            rest = [submit(batcher, SearchQuery(str(number % 4), Page(1))) for number in range(6)]
            encoder.go.set()
            answers = await asyncio.gather(first, *rest)
        assert encoder.batches == [["0"], ["0", "1", "2", "3"], ["0", "1"]]
        assert [ids(answer) for answer in answers] == [[f"v1-p{row}"] for row in (0, 0, 1, 2, 3, 0, 1)]
        assert all(answer.stages.queue >= 0 for answer in answers)

    run(test())


def test_workers_share_what_waits_as_long_as_a_share_is_worth_it() -> None:
    async def test() -> None:
        encoder = StandInEncoder()
        async with batching(encoder, max_batch=64, workers=3) as batcher:
            held = [await hold(encoder, batcher) for _ in range(3)]
            rest = [submit(batcher, SearchQuery(str(number % 4), Page(1))) for number in range(90)]
            encoder.go.set()
            answers = await asyncio.gather(*held, *rest)
        sizes = [len(batch) for batch in encoder.batches]
        shares = sorted(sizes)[3:]
        assert sum(shares) == 90
        assert shares[-1] == 30
        assert all(size >= 11 for size in shares[1:]), "the rest that is left at the end may be smaller"
        assert [ids(answer) for answer in answers[3:]] == [[f"v1-p{number % 4}"] for number in range(90)]

    run(test())


def test_a_worker_that_is_held_holds_up_nobody_else() -> None:
    async def test() -> None:
        encoder = StandInEncoder()
        async with batching(encoder, workers=2) as batcher:
            held = await hold(encoder, batcher)
            encoder.held = "0"
            answers = [await submit(batcher, SearchQuery(str(number), Page(1))) for number in (1, 2, 3)]
            assert not held.done()
            assert [ids(answer) for answer in answers] == [["v1-p1"], ["v1-p2"], ["v1-p3"]]
            encoder.go.set()
            await held

    run(test())


def test_what_breaks_a_batch_breaks_no_other() -> None:
    async def test() -> None:
        encoder = StandInEncoder()
        async with batching(encoder, max_batch=16, workers=2) as batcher:
            held = [await hold(encoder, batcher) for _ in range(2)]
            texts = [BROKEN, *(str(number % 4) for number in range(1, 32))]
            rest = [submit(batcher, SearchQuery(text, Page(1))) for text in texts]
            encoder.go.set()
            await asyncio.gather(*held)
            broken, *answers = await asyncio.gather(*rest, return_exceptions=True)
        assert isinstance(broken, SearchFailedError)
        assert [ids(answer) for answer in answers if isinstance(answer, TimedAnswer)] == [
            [f"v1-p{int(text) % 4}"] for text in texts[1:]
        ]

    run(test())


def test_a_full_queue_refuses_at_once_and_recovers() -> None:
    async def test() -> None:
        encoder = StandInEncoder()
        async with batching(encoder, max_queue=3) as batcher:
            held = await hold(encoder, batcher)
            waiting = [submit(batcher, SearchQuery("1", Page(1))) for _ in range(3)]
            with pytest.raises(OverloadedError, match="3 searches are waiting already"):
                submit(batcher, SearchQuery("1", Page(1)))
            encoder.go.set()
            await asyncio.gather(held, *waiting)
            assert ids(await submit(batcher, SearchQuery("2", Page(1)))) == ["v1-p2"]

    run(test())


def test_searches_given_up_are_not_encoded() -> None:
    async def test() -> None:
        encoder = StandInEncoder()
        async with batching(encoder) as batcher:
            held = await hold(encoder, batcher)
            gone, kept = submit(batcher, SearchQuery("1", Page(1))), submit(batcher, SearchQuery("2", Page(1)))
            gone.cancel()
            encoder.go.set()
            await asyncio.gather(held, kept)
        assert encoder.batches == [["0"], ["2"]]

    run(test())


def test_a_search_that_breaks_the_batch_fails_alone_and_the_worker_lives(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def test() -> None:
        encoder = StandInEncoder()
        async with batching(encoder) as batcher:
            held = await hold(encoder, batcher)
            futures = [submit(batcher, SearchQuery(text, Page(1))) for text in ("1", BROKEN, "2")]
            encoder.go.set()
            first, broken, last = await asyncio.gather(*futures, return_exceptions=True)
            await held
            assert isinstance(broken, SearchFailedError)
            assert "secret" not in str(broken)
            assert isinstance(first, TimedAnswer)
            assert isinstance(last, TimedAnswer)
            assert (ids(first), ids(last)) == (["v1-p1"], ["v1-p2"])
            assert ids(await submit(batcher, SearchQuery("3", Page(1)))) == ["v1-p3"]

    run(test())
    assert "secret inside" in caplog.text


def test_requests_that_share_a_fault_raise_their_own_errors() -> None:
    async def test() -> None:
        encoder = StandInEncoder()
        async with batching(encoder) as batcher:
            held = await hold(encoder, batcher)
            futures = [submit(batcher, SearchQuery(UNREADABLE, Page(1))) for _ in range(2)]
            encoder.go.set()
            one, other = await asyncio.gather(*futures, return_exceptions=True)
            await held
            assert isinstance(one, QueryError)
            assert isinstance(other, QueryError)
            assert one is not other

    run(test())


def test_no_version_no_search() -> None:
    async def test() -> None:
        async with batching() as batcher:
            with pytest.raises(NotReadyError):
                submit(batcher, SearchQuery("0", Page(1)))

    run(test())


def test_a_switch_falls_between_two_batches() -> None:
    async def test() -> None:
        encoder = StandInEncoder()
        async with batching(encoder) as batcher:
            held = await hold(encoder, batcher)
            waiting = [submit(batcher, SearchQuery("1", Page(1))) for _ in range(3)]
            other = await stand_in("v2", StandInEncoder())
            batcher.switch(other)
            after = [submit(batcher, SearchQuery("1", Page(1))) for _ in range(3)]
            answers = await asyncio.gather(*waiting, *after)
            assert not held.done()
            encoder.go.set()
            answers.append(await held)
            await other.shut_down()
        assert [answer.answer.version_id for answer in answers] == ["v2"] * 6 + ["v1"]
        for answer in answers:
            assert ids(answer)[0].startswith(f"{answer.answer.version_id}-p")

    run(test())


def test_a_busy_thread_gets_its_next_batch_beforehand_once_that_is_worth_it() -> None:
    async def test() -> None:
        encoder = StandInEncoder()
        async with batching(encoder, max_batch=16) as batcher:
            held = await hold(encoder, batcher)
            few = [submit(batcher, SearchQuery("1", Page(1))) for _ in range(10)]
            await asyncio.sleep(0)  # batches are sent at the end of a turn of the loop
            assert len(batcher) == 10, "they wait, so that more can come to them"
            many = [submit(batcher, SearchQuery("2", Page(1))) for _ in range(11)]
            await asyncio.sleep(0)
            assert len(batcher) == 5, "sixteen went ahead, and no second batch"
            encoder.go.set()
            await asyncio.gather(held, *few, *many)
        assert [len(batch) for batch in encoder.batches] == [1, 16, 5]

    run(test())


def test_the_thread_that_answered_last_is_asked_first() -> None:
    async def test() -> None:
        encoder = StandInEncoder()
        async with batching(encoder, workers=2) as batcher:
            held = [await hold(encoder, batcher) for _ in range(2)]
            encoder.go.set()
            await asyncio.gather(*held)
            encoder.threads.clear()
            for _ in range(20):
                await submit(batcher, SearchQuery("0", Page(1)))
        assert len(set(encoder.threads)) == 1

    run(test())


def test_what_waits_while_no_version_is_there_goes_to_the_next() -> None:
    async def test() -> None:
        encoder = StandInEncoder()
        async with batching(encoder) as batcher:
            held = await hold(encoder, batcher)
            waiting = submit(batcher, SearchQuery("2", Page(1)))
            batcher.pause()
            with pytest.raises(NotReadyError):
                submit(batcher, SearchQuery("3", Page(1)))
            encoder.go.set()
            assert (await held).answer.version_id == "v1"
            assert not waiting.done()
            other = await stand_in("v2", StandInEncoder())
            batcher.switch(other)
            assert (await waiting).answer.version_id == "v2"
            await other.shut_down()

    run(test())


def test_stopping_answers_what_waits_and_takes_no_more() -> None:
    async def test() -> None:
        encoder = StandInEncoder()
        async with batching(encoder) as batcher:
            held = await hold(encoder, batcher)
            waiting = submit(batcher, SearchQuery("2", Page(1)))
            stopping = asyncio.create_task(batcher.stop(10))
            await asyncio.sleep(0)
            with pytest.raises(NotReadyError):
                submit(batcher, SearchQuery("3", Page(1)))
            encoder.go.set()
            await stopping
            assert ids(await held) == ["v1-p0"]
            assert ids(await waiting) == ["v1-p2"]

    run(test())


def test_stopping_gives_up_on_a_thread_that_hangs() -> None:
    async def test() -> None:
        encoder = StandInEncoder()
        async with batching(encoder) as batcher:
            held = await hold(encoder, batcher)
            await batcher.stop(0.05)
            with pytest.raises(NotReadyError, match="about to stop and has no time left for the search"):
                await held

    run(test())


@pytest.mark.parametrize(
    ("reply", "error", "detail"),
    [
        (Message("no list").to_bytes(), SearchFailedError, "the search failed inside the service"),
        (Message([[], [0, 0, 0, 0]]).to_bytes(), SearchFailedError, "the search failed inside the service"),
        (b"\x01\0\0\0\0\0\0\0{", NotReadyError, "the search process was lost"),
    ],
    ids=["no answer", "too few answers", "no JSON"],
)
def test_a_broken_reply_fails_its_batch_and_the_process_is_lost(
    reply: bytes, error: type[Exception], detail: str
) -> None:
    workers, lost = UnresponsiveWorkers(), list[str]()

    async def test() -> None:
        batcher = Batcher(noun="searches", max_batch=1, max_queue=8, channels=lambda version: version.search_channels)
        version = await workers.open_version("v1")
        version.when_lost(lambda how: (lost.append(how), batcher.pause()))
        batcher.switch(version)
        sent, waiting = (submit(batcher, SearchQuery("0", Page(1))) for _ in range(2))
        await asyncio.sleep(0)
        workers.reply(1, reply)
        with pytest.raises(error, match=detail):
            await sent
        await until(lambda: lost == ["ended"], "the process is not lost")
        await until(workers.killed[0].is_set, "the process was not killed")
        with pytest.raises(NotReadyError):  # it was sent already, or waits for another process
            await asyncio.gather(waiting, batcher.stop(0))

    run(test())
    workers.close()
