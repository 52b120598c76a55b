"""Clients that ask for much and read nothing, on a real service in processes of its own."""

import contextlib
import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from artifacts.store import Store
from tests.service.processes import Process, service_process
from tests.service.shop import Shop
from tests.service.waiting import WAIT_SECONDS, wait_until

pytestmark = pytest.mark.integration
HITS = 1000
DRAIN_SECONDS = 8
GROWTH = 100e6  # bytes, at most
CUT, ANSWERS = "vitrine_cut_connections_total", "vitrine_requests_total"


@pytest.fixture(scope="module")
def big_store(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store whose answers to k=1000 have about 180 KB."""
    store = tmp_path_factory.mktemp("store")
    shop.add_version(store, "v1", count=HITS)
    Store(store).publish("v1")
    return store


def post(path: str, body: object) -> bytes:
    content = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\nContent-Length: {len(content)}"
    return head.encode() + b"\r\n\r\n" + content


def search(number: int) -> dict[str, object]:
    return {"query": f"red shoes {number}", "k": HITS}


def single(number: int) -> bytes:
    return post("/search", search(number))


def pipelined(number: int) -> bytes:
    return b"".join(single(number * 100 + each) for each in range(30))


def batch(number: int) -> bytes:
    return post("/search/batch", {"searches": [search(number * 100 + each) for each in range(10)]})


def oversized_batch(number: int) -> bytes:
    return post("/search/batch", {"searches": [search(number * 100 + each) for each in range(100)]})


@contextlib.contextmanager
def clients_that_do_not_read(
    process: Process, count: int, request: Callable[[int], bytes]
) -> Iterator[list[socket.socket]]:
    """Send a request over each of so many connections, whose buffers are small."""
    host, port = process.url.removeprefix("http://").split(":")
    with contextlib.ExitStack() as stack:
        clients = []
        for number in range(count):
            client = stack.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.settimeout(WAIT_SECONDS)
            client.connect((host, int(port)))
            client.sendall(request(number))
            clients.append(client)
        yield clients


def metric(process: Process, name: str) -> float:
    """Return the sum of a metric over its labels."""
    families = text_string_to_metric_families(httpx.get(f"{process.url}/metrics", timeout=WAIT_SECONDS).text)
    return sum(sample.value for family in families for sample in family.samples if sample.name == name)


def resident_bytes(process: Process) -> int:
    """Return the memory of the HTTP process."""
    lines = Path(f"/proc/{process.popen.pid}/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


def check_memory(process: Process, idle: int, are_answered: Callable[[], object]) -> None:
    """Check the memory of the HTTP process until all answers are written or their clients cut."""
    sizes = list[int]()

    def are_answered_now() -> object:
        sizes.append(resident_bytes(process))
        return are_answered()

    wait_until(are_answered_now, "not all clients that do not read are answered or cut")
    assert max(sizes) - idle < GROWTH


def test_their_answers_take_little_memory_and_do_not_keep_a_process_from_stopping(
    big_store: Path, tmp_path: Path
) -> None:
    with service_process(
        big_store, tmp_path, VITRINE_CACHE_MB="0", VITRINE_WRITE_SECONDS="1", VITRINE_DEADLINE_SECONDS="60",
        VITRINE_DRAIN_SECONDS=f"{DRAIN_SECONDS}", VITRINE_DRAIN_NOTICE_SECONDS="0", VITRINE_MAX_QUEUE="5000",
    ) as process:  # fmt: skip
        assert httpx.post(f"{process.url}/search", json=search(0), timeout=WAIT_SECONDS).status_code == 200
        idle = resident_bytes(process)
        with clients_that_do_not_read(process, 20, oversized_batch) as clients:
            for client in clients:
                assert client.recv(65536).startswith(b"HTTP/1.1 422 ")
        for count, request_of in ((40, batch), (20, pipelined)):
            before = metric(process, CUT)
            with clients_that_do_not_read(process, count, request_of):
                check_memory(process, idle, lambda all_cut=before + count: metric(process, CUT) == all_cut)
        before = metric(process, ANSWERS)
        with clients_that_do_not_read(process, 200, single):  # whose answers fit into the system's buffers in part
            check_memory(process, idle, lambda: metric(process, ANSWERS) >= before + 200)
        assert httpx.post(f"{process.url}/search", json=search(0), timeout=WAIT_SECONDS).status_code == 200
        searched = metric(process, "vitrine_batch_size_sum")
        with clients_that_do_not_read(process, 30, batch):
            wait_until(lambda: metric(process, "vitrine_batch_size_sum") >= searched + 100, "nothing is searched")
            began = time.monotonic()
            process.stop()
            assert process.popen.wait(WAIT_SECONDS) == 0
            assert time.monotonic() - began < DRAIN_SECONDS + 1
