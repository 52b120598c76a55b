"""The limit on open connections, and what is answered beyond it."""

import contextlib
import socket
from collections.abc import Iterator

import httpx
import pytest

from service.http.connection_limit import RESERVE
from tests.service.running import ADMIN, Running, running_service
from tests.service.stand_ins import stand_in_version
from tests.service.waiting import WAIT_SECONDS, wait_until

pytestmark = pytest.mark.integration
MOST = 3  # connections, one of which is the client's of the running service
SEARCH = (
    b'POST /search HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n{"query": "1"}'
)


def get(path: str) -> bytes:
    return b"GET %b HTTP/1.1\r\nHost: shop\r\n\r\n" % path.encode()


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    store = tmp_path_factory.mktemp("store")
    (store / "CURRENT").write_text('{"version": "v1", "previous": []}')
    with running_service(store, load=stand_in_version, max_connections=MOST, admin_port=0, port=8000) as running:
        yield running


@pytest.fixture
def full(small: Running) -> Iterator[Running]:
    """A service whose connections are all taken, by clients that say nothing."""
    with contextlib.ExitStack() as stack:
        for _ in range(MOST - 1):
            stack.enter_context(connect(small))
        wait_until(lambda: "\nvitrine_connections 4.0\n" in metrics(small), "the connections are not open")
        yield small
    wait_until(lambda: "\nvitrine_connections 2.0\n" in metrics(small), "the connections are not closed")


def metrics(running: Running) -> str:
    """Read the metrics at the admin port, on a connection of its own."""
    return httpx.get(f"{running.admin_url}/metrics", timeout=WAIT_SECONDS).text


def connect(running: Running) -> socket.socket:
    host, port = running.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=WAIT_SECONDS)


def answer_on_a_new_connection(running: Running, request: bytes) -> bytes:
    """Return everything until the service closes the connection."""
    with connect(running) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_beyond_the_limit_probes_alone_are_answered(full: Running) -> None:
    refused = answer_on_a_new_connection(full, SEARCH)
    assert refused.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    for part in (b"retry-after: 1\r\n", b"x-request-id: ", b"connection: close\r\n", b"too many connections are open"):
        assert part in refused
    for path in ("/health", "/ready"):
        answer = answer_on_a_new_connection(full, get(path))
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n") and b"connection: close\r\n" in answer
    assert 'vitrine_requests_total{route="unmatched",status="503"}' in metrics(full)
    assert full.search("1").status_code == 200  # on a connection within the limit


def test_the_admin_port_has_the_limit_to_itself(full: Running) -> None:
    answer = httpx.get(f"{full.admin_url}/admin/index", headers=ADMIN, timeout=WAIT_SECONDS)
    assert answer.status_code == 200


def test_a_probe_gets_through_however_many_connections_are_opened(full: Running) -> None:
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(connect(full)) for _ in range(RESERVE + 5)]
        assert answer_on_a_new_connection(full, get("/ready")).startswith(b"HTTP/1.1 200 OK\r\n")
        for connection in silent[:6]:
            assert connection.recv(1) == b""
        assert 'vitrine_cut_connections_total{reason="limit"} 6.0' in metrics(full)


def test_when_connections_close_others_take_their_place(small: Running) -> None:
    for _ in range(3 * MOST):
        assert httpx.get(f"{small.url}/catalog", timeout=WAIT_SECONDS).status_code == 200
