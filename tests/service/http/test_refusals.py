"""What the application never sees is answered and counted like everything else, and a hang-up is no answer."""

import contextlib
import json
import socket
from collections.abc import Iterator

import pytest

from service.http.security_headers import SECURITY_HEADERS
from tests.service.running import ADMIN, Running, running_service
from tests.service.stand_ins import StandInEncoder, stand_in_version
from tests.service.waiting import WAIT_SECONDS, wait_until

pytestmark = pytest.mark.integration
HEAD = b"POST %b HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\n"
ENCODER = StandInEncoder()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    store = tmp_path_factory.mktemp("store")
    (store / "CURRENT").write_text('{"version": "v1", "previous": []}')

    def load(version_id: str) -> object:
        return stand_in_version(version_id, ENCODER)

    with running_service(store, load=load, read_seconds=1, log_requests=True) as running:  # type: ignore[arg-type]
        yield running


@contextlib.contextmanager
def connected(running: Running) -> Iterator[socket.socket]:
    host, port = running.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=WAIT_SECONDS) as connection:
        yield connection


def count(running: Running, route: str, status: int) -> float:
    return running.metric("vitrine_requests_total", route=route, status=str(status))


def all_counts(running: Running) -> dict[str, float]:
    """Return the counts of all answers but those to this question."""
    lines = running.client.get("/metrics").text.splitlines()
    counts = dict(line.rsplit(" ", 1) for line in lines if line.startswith("vitrine_requests_total{"))
    return {series: float(value) for series, value in counts.items() if "/metrics" not in series}


def grown(running: Running, before: dict[str, float]) -> dict[str, float]:
    """Return by how much each count has grown."""
    after = all_counts(running)
    return {series: value - before.get(series, 0) for series, value in after.items() if value != before.get(series)}


@pytest.mark.parametrize(
    ("sent", "status", "route"),
    [
        (b"GET /health HTTP/1.1\r\nX-Request-ID: shop-7\r\nx: ", 408, "unmatched"),
        (HEAD % b"/search" + b"X-Request-ID: shop-7\r\nContent-Length: 20\r\n\r\n{", 408, "/search"),
        (b"GET /health HTTP/1.1\r\nX-Request-ID: shop-7\r\nx: " + b"y" * 70_000 + b"\r\n\r\n", 431, "unmatched"),
        (b"GET /health HTTP/1.1\r\nX-Request-ID: shop-7\r\na: b\r\nx y: z\r\n\r\n", 400, "unmatched"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, "unmatched"),  # the beginning of TLS
    ],
    ids=["408 for a head", "408 for a body", "431", "400 for a header", "400 for TLS"],
)
def test_a_refusal_is_a_problem_with_an_id_and_counted_once(
    running: Running, sent: bytes, status: int, route: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "service")
    before = all_counts(running)
    with connected(running) as connection:
        connection.sendall(sent)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    problem = json.loads(body)
    assert head.startswith(f"HTTP/1.1 {status} {problem['title']}\r\n".encode())
    assert (problem["status"], problem["type"], int(headers["content-length"])) == (status, "about:blank", len(body))
    assert (
        headers.items()
        >= {"connection": "close", "content-type": "application/problem+json", **dict(SECURITY_HEADERS)}.items()
    )
    assert len(headers["x-request-id"]) == (6 if b"shop-7" in sent else 32)
    series = f'vitrine_requests_total{{route="{route}",status="{status}"}}'
    wait_until(lambda: grown(running, before) == {series: 1}, f"{grown(running, before)} is counted")
    wait_until(lambda: f"status={status}" in caplog.text, "it is not logged")


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        (b"/search", b""),
        (b"/search/batch", b""),
        (b"/admin/index/swap", f"Authorization: {ADMIN['Authorization']}\r\n".encode()),
        (b"/admin/compare/search", f"Authorization: {ADMIN['Authorization']}\r\n".encode()),
    ],
)
@pytest.mark.parametrize("length", [b"Content-Length: 20\r\n\r\n{", b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"])
def test_an_upload_that_is_aborted_counts_as_499(running: Running, path: bytes, headers: bytes, length: bytes) -> None:
    before = all_counts(running)
    with connected(running) as connection:
        connection.sendall(HEAD % path + headers + length)
        wait_until(lambda: running.metric("vitrine_connections") >= 2, "the connection is not open")
    wait_until(lambda: grown(running, before), "nothing is counted")
    (series,) = grown(running, before)
    assert series.endswith('status="499"}')


def test_a_client_that_hangs_up_while_its_search_waits_counts_as_499(running: Running) -> None:
    before = count(running, "/search", 499)
    ENCODER.entered.clear()
    ENCODER.go.clear()
    try:
        with connected(running) as connection:
            connection.sendall(HEAD % b"/search" + b'Content-Length: 14\r\n\r\n{"query": "1"}')
            assert ENCODER.entered.wait(WAIT_SECONDS)
        wait_until(lambda: count(running, "/search", 499) == before + 1, "the hang-up is not counted")
    finally:
        ENCODER.go.set()
