"""The worker: what it batches, what it refuses, what it survives."""

import asyncio
import gc
import threading
import weakref
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from service.answering import Page, SearchQuery
from service.batcher import Answer, Batcher
from service.errors import NotReadyError, OverloadedError, QueryError, SearchFailedError
from service.metrics import Metrics
from tests.service.stand_ins import BROKEN, UNREADABLE, StandInEncoder, stand_in_version, submit


@asynccontextmanager
async def batching(
    encoder: StandInEncoder | None = None, *, max_batch: int = 8, max_queue: int = 100, workers: int = 1
) -> AsyncIterator[Batcher]:
    """A started batcher, serving unless there is no encoder."""
    threads = set(threading.enumerate())
    batcher = Batcher(
        max_batch=max_batch, max_queue=max_queue, search_threads=workers, workers=workers, metrics=Metrics()
    )
    batcher.start()
    try:
        if encoder is not None:
            await batcher.switch(stand_in_version(encoder=encoder))
        yield batcher
    finally:
        if encoder is not None:
            encoder.go.set()
        await batcher.stop(10)
        assert set(threading.enumerate()) <= threads, "the worker did not end"


async def hold(encoder: StandInEncoder, batcher: Batcher) -> "asyncio.Future[Answer]":
    """Keep the worker busy with one search until `encoder.go` is set."""
    encoder.go.clear()
    encoder.entered.clear()
    future = submit(batcher, SearchQuery("0", Page(1)))
    while not encoder.entered.is_set():
        await asyncio.sleep(0.001)
    return future


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 20))


def test_an_idle_worker_takes_one_search_at_once_and_a_busy_one_gathers() -> None:
    async def test() -> None:
        encoder = StandInEncoder()
        async with batching(encoder, max_batch=4) as batcher:
            first = await hold(encoder, batcher)
            rest = [submit(batcher, SearchQuery(str(number % 4), Page(1))) for number in range(6)]
            encoder.go.set()
            answers = await asyncio.gather(first, *rest)
        assert encoder.batches == [["0"], ["0", "1", "2", "3"], ["0", "1"]]
        assert [answer.found.rows.tolist() for answer in answers] == [[0], [0], [1], [2], [3], [0], [1]]
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
        assert all(size >= 16 for size in shares[1:]), "the rest that is left at the end may be smaller"
        assert [answer.found.rows.tolist() for answer in answers[3:]] == [[number % 4] for number in range(90)]

    run(test())


def test_a_worker_that_is_held_holds_up_nobody_else() -> None:
    async def test() -> None:
        encoder = StandInEncoder()
        async with batching(encoder, workers=2) as batcher:
            held = await hold(encoder, batcher)
            encoder.held = "0"
            answers = [await submit(batcher, SearchQuery(str(number), Page(1))) for number in (1, 2, 3)]
            assert not held.done()
            assert [answer.found.rows.tolist() for answer in answers] == [[1], [2], [3]]
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
        assert [answer.found.rows.tolist() for answer in answers if isinstance(answer, Answer)] == [
            [int(text) % 4] for text in texts[1:]
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
            assert (await submit(batcher, SearchQuery("2", Page(1)))).found.rows.tolist() == [2]

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
            assert isinstance(first, Answer)
            assert isinstance(last, Answer)
            assert (first.found.rows.tolist(), last.found.rows.tolist()) == ([1], [2])
            assert (await submit(batcher, SearchQuery("3", Page(1)))).found.rows.tolist() == [3]

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
            before = [submit(batcher, SearchQuery("1", Page(1))) for _ in range(3)]
            switching = asyncio.create_task(batcher.switch(stand_in_version("v2")))
            await asyncio.sleep(0)
            after = [submit(batcher, SearchQuery("1", Page(1))) for _ in range(3)]
            assert not switching.done()
            encoder.go.set()
            answers = await asyncio.gather(held, *before, *after)
            replaced = await switching
        assert [answer.version_id for answer in answers] == ["v1"] * 4 + ["v2"] * 3
        for answer in answers:
            assert f'"{answer.version_id}-p'.encode() in answer.content
        assert [version.version_id for version in replaced] == ["v1"]

    run(test())


def test_a_replaced_version_leaves_memory_without_the_garbage_collector() -> None:
    async def test() -> None:
        async with batching() as batcher:
            version = stand_in_version()
            forgotten = weakref.ref(version)
            await batcher.switch(version)
            await submit(batcher, SearchQuery("0", Page(1)))
            del version
            gc.disable()
            try:
                await batcher.switch(stand_in_version("v2"))
                await asyncio.sleep(0.05)
                assert forgotten() is None
            finally:
                gc.enable()

    run(test())


@pytest.mark.parametrize("workers", [1, 2])
def test_who_empties_what_a_switch_gives_frees_it(workers: int) -> None:
    """To free gigabytes takes long: neither the event loop nor a worker may be the last to let go of them."""

    async def test() -> None:
        async with batching(workers=workers) as batcher:
            assert await batcher.switch(stand_in_version("v0")) == []
            for number in range(300):
                await submit(batcher, SearchQuery("0", Page(1)))
                held = await batcher.switch(stand_in_version(f"v{number + 1}"))
                replaced = weakref.ref(held[0])
                held.clear()
                assert replaced() is None

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
            assert (await held).found.rows.tolist() == [0]
            assert (await waiting).found.rows.tolist() == [2]

    run(test())


def test_stopping_gives_up_on_a_worker_that_hangs() -> None:
    async def test() -> None:
        encoder = StandInEncoder()
        async with batching(encoder) as batcher:
            held = await hold(encoder, batcher)
            await asyncio.wait_for(batcher.stop(0.05), 2)
            assert not held.done()

    run(test())
