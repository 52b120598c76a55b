"""How long the service takes to stop while a worker process neither answers nor exits."""

import asyncio
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.core.settings import Settings
from service.dispatch.comparison import Comparison
from service.dispatch.search_service import SearchService
from service.protocol.queries import Page, PhotoQuery, ProductQuery, SearchQuery
from tests.service.processes import service_process
from tests.service.stand_ins import submit
from tests.service.unresponsive import UnresponsiveWorkers
from tests.service.virtual_clock import run_on_virtual_clock
from tests.service.waiting import WAIT_SECONDS, wait_until

BATCHERS_SECONDS = 5.0  # until all batchers together give up their batches
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


@pytest.mark.parametrize(("is_asked", "bound"), [(False, PROCESS_SECONDS / 2), (True, PROCESS_SECONDS)])
def test_a_process_that_does_not_answer_is_killed_in_time(
    workers: UnresponsiveWorkers, is_asked: bool, bound: float
) -> None:
    async def test() -> float:
        process = await workers.open_version("v1")
        if is_asked:
            process.search_channels[0].expect(lambda message: None)
        began = asyncio.get_running_loop().time()
        await process.shut_down()
        return asyncio.get_running_loop().time() - began

    assert passed(run_on_virtual_clock(test()), bound)
    assert [killed.is_set() for killed in workers.killed] == [True]


@pytest.mark.parametrize(
    ("compares", "bound"),
    [(False, BATCHERS_SECONDS + PROCESS_SECONDS), (True, 2 * (BATCHERS_SECONDS + PROCESS_SECONDS))],
)
def test_the_service_stops_in_time_though_its_processes_do_not_answer(
    workers: UnresponsiveWorkers,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    compares: bool,
    bound: float,
) -> None:
    """Its steps follow each other: all batchers, the served version's process, and the same for the second version."""
    (tmp_path / "CURRENT").write_text('{"version": "v1", "previous": []}')
    # Its timer would be due on the virtual clock while the loop waits for a thread that reaps a killed process.
    monkeypatch.setattr(Comparison, "_restart_idle_timer", lambda self: None)

    async def test() -> float:
        service = SearchService(Settings(store=tmp_path, device="cpu"), workers.open_version)
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
        began = asyncio.get_running_loop().time()
        await service.stop()
        for future in waiting:
            assert future.exception() is not None, "a search that has no answer fails"
        return asyncio.get_running_loop().time() - began

    assert passed(run_on_virtual_clock(test()), bound)
    assert [killed.is_set() for killed in workers.killed] == [True] * (1 + compares)


SEARCH = (
    b'POST /search HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{"query":"hat"}'
)
# The bounds above, shortened in all processes of a service.
SHORT_STEPS = """
from service.dispatch import search_service, version_process
search_service.STOP_STEP_SECONDS = version_process.SHUTDOWN_STEP_SECONDS = 0.2
"""


@pytest.mark.integration
def test_the_whole_process_ends_though_its_worker_is_stopped(good_store: Path, tmp_path: Path) -> None:
    with service_process(
        good_store, tmp_path, SHORT_STEPS, VITRINE_DRAIN_NOTICE_SECONDS="0.1", VITRINE_DRAIN_SECONDS="1"
    ) as process:
        (worker,) = process.search_pids()
        os.kill(worker, signal.SIGSTOP)
        with socket.create_connection(
            ("127.0.0.1", int(process.url.rpartition(":")[2])), timeout=WAIT_SECONDS
        ) as client:
            client.sendall(SEARCH)
            wait_until(lambda: _batches_sent(process.url) == 1, "the search was not sent to the worker")
            process.stop()
            # With the bounds as they are it would take 15 s more.
            assert process.popen.wait(12) == 0
            assert client.recv(1000).startswith(b"HTTP/1.1 500 ")
    assert not Path(f"/proc/{worker}").exists()


def _batches_sent(url: str) -> int:
    lines = httpx.get(f"{url}/metrics", timeout=WAIT_SECONDS).text.splitlines()
    return next(int(float(line.split()[1])) for line in lines if line.startswith("vitrine_batch_size_count "))
