"""Clients that send slowly, or without end."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.http.request_timeouts import MAX_HEAD_BYTES
from tests.service.running import Running, running_service
from tests.service.stand_ins import StandInEncoder, stand_in_version

pytestmark = pytest.mark.integration
READ_SECONDS = 0.5
HEAD = b"POST /search HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n"
CHUNKED = HEAD.replace(b"Content-Length: 14", b"Transfer-Encoding: chunked")
BODY = b'{"query": "1"}'


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[Running]:
    (tmp_path / "CURRENT").write_text('{"version": "v1", "previous": []}')
    with running_service(tmp_path, load=stand_in_version, read_seconds=READ_SECONDS) as running:
        yield running


def connect(running: Running) -> socket.socket:
    host, port = running.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=10)


def read_all(connection: socket.socket) -> bytes:
    """Until the service closes the connection, or resets it since it has not read all that was sent."""
    found = b""
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(65536):
            found += part
    return found


@pytest.mark.parametrize("sent", [b"", b"P", HEAD[:40], HEAD[:-2], HEAD, HEAD + BODY[:-1]])
def test_half_a_request_is_not_waited_for(limited: Running, sent: bytes) -> None:
    with connect(limited) as connection:
        began = time.monotonic()
        connection.sendall(sent)
        answer = read_all(connection)
        assert READ_SECONDS * 0.9 <= time.monotonic() - began < READ_SECONDS + 3
    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n") and answer.count(b"HTTP/1.1") == 1
    assert limited.search("1").status_code == 200


@pytest.mark.parametrize(("before", "dripped"), [(b"", HEAD), (HEAD, BODY * 10), (CHUNKED, b"1\r\n \r\n" * 30)])
def test_clients_that_drip_get_no_more_time_and_hold_nobody(limited: Running, before: bytes, dripped: bytes) -> None:
    connections = [connect(limited) for _ in range(50)]
    for connection in connections:
        connection.sendall(before)
    began, slowest, sent = time.monotonic(), 0.0, 0
    while time.monotonic() - began < READ_SECONDS * 1.5:
        for connection in connections if sent < 10 else ():  # never the whole of a request
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(dripped[sent : sent + 1])
        sent += 1
        time.sleep(0.04)
        asked = time.monotonic()
        assert limited.search("1").status_code == 200
        slowest = max(slowest, time.monotonic() - asked)
    assert slowest < READ_SECONDS
    for connection in connections:
        assert read_all(connection).startswith(b"HTTP/1.1 408 ")
        connection.close()


def test_bodies_without_end_are_refused_and_hold_nobody(limited: Running) -> None:
    """Each is answered 413 when it is too long; who sends on is cut off when the time of a request is over."""
    stop = threading.Event()
    ended: list[bytes] = []

    def send_on() -> None:
        with connect(limited) as connection, contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(CHUNKED)
            while not stop.is_set():
                connection.sendall(b"1000\r\n" + b" " * 0x1000 + b"\r\n")
            return
        ended.append(b"cut off")

    threads = [threading.Thread(target=send_on) for _ in range(8)]
    for thread in threads:
        thread.start()
    began = time.monotonic()
    while time.monotonic() - began < READ_SECONDS * 2:
        asked = time.monotonic()
        assert limited.search("1").status_code == 200
        assert time.monotonic() - asked < READ_SECONDS * 2
    give_up_at = time.monotonic() + 20
    while len(ended) < len(threads) and time.monotonic() < give_up_at:
        time.sleep(0.02)
    stop.set()
    for thread in threads:
        thread.join(10)
    assert len(ended) == len(threads)
    assert limited.metric("vitrine_requests_total", route="/search", status="413") == len(threads)


def test_a_later_request_on_the_connection_has_its_own_time(limited: Running) -> None:
    with connect(limited) as connection:
        for _ in range(3):
            connection.sendall(HEAD + BODY[:5])
            time.sleep(READ_SECONDS * 0.6)
            connection.sendall(BODY[5:])
            answer = connection.recv(65536)
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        connection.sendall(HEAD)
        assert read_all(connection).startswith(b"HTTP/1.1 408 ")


def test_a_search_may_take_longer_than_its_request(tmp_path: Path) -> None:
    encoder = StandInEncoder()
    (tmp_path / "CURRENT").write_text('{"version": "v1", "previous": []}')
    with running_service(
        tmp_path, load=lambda version_id: stand_in_version(version_id, encoder), read_seconds=0.2
    ) as running:
        encoder.go.clear()
        threading.Timer(0.6, encoder.go.set).start()
        assert running.search("1").status_code == 200


def test_headers_without_end_are_not_kept(limited: Running) -> None:
    with connect(limited) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: shop\r\n")
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for _ in range(4):
                connection.sendall(b"x: " + b"y" * (MAX_HEAD_BYTES // 3) + b"\r\n")
                time.sleep(0.02)
        answer = read_all(connection)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
    with connect(limited) as connection:
        head = b"GET /health HTTP/1.1\r\nHost: shop\r\nx: " + b"y" * (MAX_HEAD_BYTES // 2) + b"\r\n\r\n"
        connection.sendall(head)
        assert connection.recv(100).startswith(b"HTTP/1.1 200 OK")
