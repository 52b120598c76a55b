"""Clients that send slowly or without end are refused."""

import asyncio
import contextlib
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from service.http.request_timeouts import MAX_HEAD_BYTES, request_timeout_protocol
from tests.service.http.test_coalesced_write import RecordingTransport
from tests.service.running import Running, running_service
from tests.service.stand_ins import StandInEncoder, stand_in_version
from tests.service.waiting import WAIT_SECONDS

READ_SECONDS = 1.0  # of the real service below; a whole request takes milliseconds
HEAD = b"POST /search HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n"
CHUNKED = HEAD.replace(b"Content-Length: 14", b"Transfer-Encoding: chunked")
BODY = b'{"query": "1"}'
TIMED_OUT = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
HEAD_TOO_LONG = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
UNFINISHED = [b"", b"P", HEAD[:40], HEAD[:-2], HEAD, HEAD + BODY[:-1]]


class ManualLoop:
    """The running event loop with timers that only a test runs out."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.timers: list[Timer] = []

    def __getattr__(self, name: str) -> object:
        return getattr(self._loop, name)

    def call_later(self, delay: float, callback: Callable[..., None], *arguments: object) -> "Timer":
        self.timers.append(Timer(delay, partial(callback, *arguments)))
        return self.timers[-1]


class Timer:
    """A timer that a test runs out."""

    def __init__(self, delay: float, run: Callable[[], None]) -> None:
        self.delay = delay
        self.run = run
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


class Connection:
    """A connection of the protocol with a limit of 7 s, whose application answers each request with "done"."""

    def __init__(self) -> None:
        config = uvicorn.Config(self._answer, lifespan="off", ws="none", log_config=None, interface="asgi3")
        config.load()
        self.loop = ManualLoop()
        loop: Any = self.loop
        self.protocol = request_timeout_protocol(7.0)(config, ServerState(), {}, loop)
        self.transport = RecordingTransport()
        self.protocol.connection_made(self.transport)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        message = await receive()
        while message["type"] == "http.request" and message["more_body"]:
            message = await receive()
        if message["type"] == "http.disconnect":
            return
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        await send({"type": "http.response.body", "body": b"done"})

    async def receive(self, data: bytes) -> None:
        """Receive bytes and let the application run as far as it can."""
        self.protocol.data_received(data)
        for _ in range(20):
            await asyncio.sleep(0)

    @property
    def read_timers(self) -> list[Timer]:
        """The timers that would end a request."""
        return [timer for timer in self.loop.timers if timer.delay == 7.0 and not timer.is_cancelled]


@pytest.mark.parametrize("sent", UNFINISHED, ids=repr)
def test_a_request_has_one_timer_from_its_beginning_to_its_end(sent: bytes) -> None:
    async def test() -> None:
        connection = Connection()
        (timer,) = connection.read_timers
        for place in range(len(sent)):
            await connection.receive(sent[place : place + 1])
            assert connection.read_timers == [timer]  # no byte starts it again
        timer.run()
        assert (b"".join(connection.transport.written), connection.transport.closed) == (TIMED_OUT, True)

    asyncio.run(test())


def test_a_later_request_on_the_connection_has_its_own_timer() -> None:
    async def test() -> None:
        connection = Connection()
        for number in range(1, 4):
            await connection.receive(HEAD + BODY[:5])
            assert len(connection.read_timers) == 1
            await connection.receive(BODY[5:])
            assert connection.read_timers == []
            assert b"".join(connection.transport.written).count(b"HTTP/1.1 200 OK\r\n") == number
        answered = b"".join(connection.transport.written)
        await connection.receive(HEAD)
        connection.read_timers[0].run()
        assert b"".join(connection.transport.written) == answered + TIMED_OUT

    asyncio.run(test())


def test_a_lost_connection_leaves_no_timer() -> None:
    async def test() -> None:
        connection = Connection()
        await connection.receive(HEAD)
        connection.protocol.connection_lost(None)
        assert connection.read_timers == []

    asyncio.run(test())


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    store = tmp_path_factory.mktemp("store")
    (store / "CURRENT").write_text('{"version": "v1", "previous": []}')
    with running_service(store, load=stand_in_version, read_seconds=READ_SECONDS) as running:
        yield running


def connect(running: Running) -> socket.socket:
    host, port = running.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=WAIT_SECONDS)


def read_all(connection: socket.socket) -> bytes:
    """Read until the service closes the connection."""
    found = b""
    while part := connection.recv(65536):
        found += part
    return found


@pytest.mark.integration
def test_half_a_request_is_not_waited_for(limited: Running) -> None:
    with contextlib.ExitStack() as stack:
        began = time.monotonic()
        connections = [stack.enter_context(connect(limited)) for _ in UNFINISHED]
        for connection, sent in zip(connections, UNFINISHED, strict=True):
            connection.sendall(sent)
        assert [read_all(connection) for connection in connections] == [TIMED_OUT] * len(UNFINISHED)
        assert time.monotonic() - began >= READ_SECONDS * 0.9
    assert limited.search("1").status_code == 200


@pytest.mark.integration
def test_clients_that_drip_get_no_more_time_and_hold_nobody(limited: Running) -> None:
    kinds = [
        (b"GET /health HTTP/1.1\r\nHost: shop\r\nx: ", b"y"),
        (HEAD.replace(b"Length: 14", b"Length: 60000"), b" "),
        (CHUNKED, b"1\r\n \r\n"),
    ]
    with contextlib.ExitStack() as stack:
        dripping = [(stack.enter_context(connect(limited)), dripped) for _, dripped in kinds for _ in range(10)]
        connections = [connection for connection, _ in dripping]
        for number, connection in enumerate(connections):
            connection.sendall(kinds[number // 10][0])
        give_up_at = time.monotonic() + WAIT_SECONDS
        while dripping:
            assert time.monotonic() < give_up_at, f"{len(dripping)} clients still drip and are not answered"
            assert limited.search("1").status_code == 200
            answered = select.select([connection for connection, _ in dripping], [], [], 0.02)[0]
            dripping = [(connection, dripped) for connection, dripped in dripping if connection not in answered]
            for connection, dripped in dripping:
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    connection.sendall(dripped)
        for connection in connections:  # a byte that crosses the answer may reset the connection behind it
            assert connection.recv(65536) == TIMED_OUT


@pytest.mark.integration
def test_bodies_without_end_are_refused_and_hold_nobody(limited: Running) -> None:
    """Each is answered with 413 when it is too long; a client that sends on is disconnected at the time limit."""
    before = limited.metric("vitrine_requests_total", route="/search", status="413")
    stop = threading.Event()
    cut_off: list[bool] = []

    def send_on() -> None:
        with connect(limited) as connection, contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(CHUNKED)
            while not stop.is_set():
                connection.sendall(b"1000\r\n" + b" " * 0x1000 + b"\r\n")
            return
        cut_off.append(True)

    threads = [threading.Thread(target=send_on) for _ in range(8)]
    for thread in threads:
        thread.start()
    give_up_at = time.monotonic() + WAIT_SECONDS
    while len(cut_off) < len(threads) and time.monotonic() < give_up_at:
        assert limited.search("1").status_code == 200
    stop.set()
    for thread in threads:
        thread.join(10)
    assert len(cut_off) == len(threads), "a client that sends without end was not cut off"
    assert limited.metric("vitrine_requests_total", route="/search", status="413") == before + len(threads)


@pytest.mark.integration
def test_a_search_may_take_longer_than_its_request(tmp_path: Path) -> None:
    encoder = StandInEncoder()
    (tmp_path / "CURRENT").write_text('{"version": "v1", "previous": []}')

    def load(version_id: str) -> Any:
        return stand_in_version(version_id, encoder)

    with running_service(tmp_path, load=load, read_seconds=READ_SECONDS) as running:
        encoder.go.clear()
        threading.Timer(READ_SECONDS * 1.5, encoder.go.set).start()
        assert running.search("1").status_code == 200


@pytest.mark.integration
def test_a_head_that_is_too_long_is_refused(limited: Running) -> None:
    """The last byte exceeds the limit, so that no byte is left unread, which would reset the connection."""
    head = b"GET /health HTTP/1.1\r\nHost: shop\r\nx: "
    with connect(limited) as connection:
        connection.sendall(head + b"y" * (MAX_HEAD_BYTES + 1 - len(head)))
        assert read_all(connection) == HEAD_TOO_LONG
    with connect(limited) as connection:
        connection.sendall(head + b"y" * (MAX_HEAD_BYTES - 4 - len(head)) + b"\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.integration
def test_a_head_without_end_is_cut_off(limited: Running) -> None:
    with connect(limited) as connection, pytest.raises((BrokenPipeError, ConnectionResetError)):
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: shop\r\n")
        for _ in range(10_000):  # 200 MB, far more than all buffers hold
            connection.sendall(b"x: " + b"y" * (MAX_HEAD_BYTES // 3) + b"\r\n")
    assert limited.search("1").status_code == 200
