"""How long the service takes to stop while a worker process neither answers nor exits."""

import asyncio
import contextlib
import math
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.core.errors import NotReadyError
from service.core.settings import Settings
from service.dispatch.comparison import Comparison
from service.dispatch.search_service import SearchService
from service.protocol.messages import Message
from service.protocol.queries import Page, PhotoQuery, ProductQuery, SearchQuery
from tests.service.processes import Process, service_process
from tests.service.stand_ins import submit
from tests.service.unresponsive import UnresponsiveWorkers
from tests.service.virtual_clock import run_on_virtual_clock
from tests.service.waiting import WAIT_SECONDS, wait_until

PROCESS_SECONDS = 10.0  # until a worker process is killed: five to reply and five to exit
MARGIN_SECONDS = 0.1  # on the virtual clock, for the intervals at which states are polled


@pytest.fixture
def workers() -> Iterator[UnresponsiveWorkers]:
    made = UnresponsiveWorkers()
    yield made
    made.close()


def passed(seconds: float, bound: float) -> bool:
    """Whether a stop took as long as its bound allows and not longer."""
    return bound - MARGIN_SECONDS <= seconds <= bound + MARGIN_SECONDS


@pytest.mark.parametrize(
    ("is_asked", "limit", "bound"),
    [
        (False, math.inf, PROCESS_SECONDS / 2),
        (True, math.inf, PROCESS_SECONDS),
        (False, 3.0, 3.0),
        (True, 3.0, 3.0),
        (True, 7.0, 7.0),
        (True, -1.0, 0.0),
    ],
)
def test_a_process_that_does_not_answer_is_killed_in_time(
    workers: UnresponsiveWorkers, is_asked: bool, limit: float, bound: float
) -> None:
    async def test() -> float:
        process = await workers.open_version("v1")
        if is_asked:
            process.search_channels[0].send(Message([]), lambda message: None)
        began = asyncio.get_running_loop().time()
        await process.shut_down(began + limit)
        return asyncio.get_running_loop().time() - began

    assert passed(run_on_virtual_clock(test()), bound)
    assert [killed.is_set() for killed in workers.killed] == [True]


def test_a_process_whose_end_is_not_waited_for_any_more_is_killed(workers: UnresponsiveWorkers) -> None:
    async def test() -> None:
        process = await workers.open_version("v1")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(process.shut_down(), 1)

    run_on_virtual_clock(test())
    assert [killed.is_set() for killed in workers.killed] == [True]


@pytest.mark.parametrize("answers_heartbeats", [True, False])
@pytest.mark.parametrize("compares", [False, True])
@pytest.mark.parametrize("drain_seconds", [1.5, 3, 20])
def test_the_service_stops_by_one_deadline_though_its_processes_do_not_answer(
    workers: UnresponsiveWorkers,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    drain_seconds: float,
    compares: bool,
    answers_heartbeats: bool,
) -> None:
    """The served version and the second one are ended beside each other; one that hangs is killed as at other times."""
    (tmp_path / "CURRENT").write_text('{"version": "v1", "previous": []}')
    # Its timer would be due on the virtual clock while the loop waits for a thread that reaps a killed process.
    monkeypatch.setattr(Comparison, "_restart_idle_timer", lambda self: None)
    workers.answers_heartbeats = answers_heartbeats

    async def test() -> float:
        settings = Settings(store=tmp_path, device="cpu", drain_seconds=drain_seconds)
        service = SearchService(settings, workers.open_version)
        await service.swapper.start()
        waiting = [
            submit(service.batcher, SearchQuery("0", Page(1))),
            submit(service.photo_batcher, PhotoQuery(b"", Page(1))),
            submit(service.lookup_batcher, ProductQuery("v1-p0")),
        ]
        if compares:
            await service.comparison.start_loading("v2")
            waiting.append(submit(service.comparison.use_batcher(), SearchQuery("0", Page(1))))
        await asyncio.sleep(0)
        waiting += [submit(service.batcher, SearchQuery("1", Page(1))) for _ in range(3)]  # they stay in the queue
        began = asyncio.get_running_loop().time()
        await service.stop()
        for future in waiting:
            assert isinstance(future.exception(), NotReadyError), "nothing is wrong with the search: 503"
        return asyncio.get_running_loop().time() - began

    seconds = run_on_virtual_clock(test())
    assert seconds <= drain_seconds
    if answers_heartbeats:
        assert seconds >= drain_seconds - 1, "it gave up before its time"
    assert [killed.is_set() for killed in workers.killed] == [True] * (1 + compares)


def test_the_deadline_counts_from_the_first_signal(workers: UnresponsiveWorkers, tmp_path: Path) -> None:
    async def test() -> None:
        settings = Settings(store=tmp_path, device="cpu", drain_seconds=30, drain_notice_seconds=2)
        service = SearchService(settings, workers.open_version)
        before = time.monotonic()
        plan = service.drain()
        assert before + 30 <= plan.end_by <= time.monotonic() + 30
        assert plan.answer_by < plan.cut_off_by < plan.kill_by < plan.end_by
        assert service.drain() is plan, "a second signal gives no more time"

    asyncio.run(test())


SEARCH = (
    b'POST /search HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{"query":"hat"}'
)
DRAIN_SECONDS = 2


@pytest.mark.integration
def test_the_whole_process_ends_by_its_deadline_though_its_worker_is_stopped(good_store: Path, tmp_path: Path) -> None:
    """A search that waits is answered with 503 before; with one deadline for each stage it took ten times as long."""
    with (
        service_process(
            good_store, tmp_path, VITRINE_DRAIN_NOTICE_SECONDS="0.1", VITRINE_DRAIN_SECONDS=str(DRAIN_SECONDS)
        ) as process,
        search_of_stopped_worker(process) as (worker, client),
    ):
        began = time.monotonic()
        process.stop()
        assert process.popen.wait(WAIT_SECONDS) == 0
        took = time.monotonic() - began
        answer = client.recv(4000)
    assert took < 10, "a busy machine may add to the two seconds, but there is one deadline for all"
    assert answer.startswith(b"HTTP/1.1 503 ") and b"retry-after: 1" in answer
    wait_until(lambda: not Path(f"/proc/{worker}").exists(), "the stopped worker was not killed")


STUCK_LOOP = """
import time
from service.dispatch.search_service import SearchService
SearchService.give_up = lambda self: time.sleep(300)
"""


@pytest.mark.integration
def test_the_process_ends_by_its_deadline_though_its_event_loop_is_stuck(good_store: Path, tmp_path: Path) -> None:
    with (
        service_process(
            good_store, tmp_path, STUCK_LOOP, VITRINE_DRAIN_NOTICE_SECONDS="0.1", VITRINE_DRAIN_SECONDS="1"
        ) as process,
        search_of_stopped_worker(process) as (worker, _),
    ):
        process.stop()
        assert process.popen.wait(WAIT_SECONDS) == 0
    assert "event=drain_overdue drain_s=1" in process.log.read_text()
    wait_until(lambda: not Path(f"/proc/{worker}").exists(), "the stopped worker was not killed")


@contextlib.contextmanager
def search_of_stopped_worker(process: Process) -> Iterator[tuple[int, socket.socket]]:
    """Stop the worker process, send it a search that it does not answer, and give its id and the connection."""
    (worker,) = process.search_pids()
    os.kill(worker, signal.SIGSTOP)
    with socket.create_connection(("127.0.0.1", int(process.url.rpartition(":")[2])), timeout=WAIT_SECONDS) as client:
        client.sendall(SEARCH)
        wait_until(lambda: _batches_sent(process.url) == 1, "the search was not sent to the worker")
        yield worker, client


def _batches_sent(url: str) -> int:
    lines = httpx.get(f"{url}/metrics", timeout=WAIT_SECONDS).text.splitlines()
    return next(int(float(line.split()[1])) for line in lines if line.startswith("vitrine_batch_size_count "))
