"""Clients that send slowly or without end are refused."""

import asyncio
import contextlib
import re
import select
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.http.request_limits import MAX_HEAD_BYTES, MAX_PIPELINED
from tests.service.http.manual_connection import KEEP_ALIVE_SECONDS, Connection
from tests.service.http.manual_connection import READ_SECONDS as READ_TIMER_SECONDS
from tests.service.running import Running, running_service
from tests.service.stand_ins import StandInEncoder, stand_in_version
from tests.service.waiting import WAIT_SECONDS

READ_SECONDS = 1.0  # of the real service below; a whole request takes milliseconds
HEAD = b"POST /search HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n"
CHUNKED = HEAD.replace(b"Content-Length: 14", b"Transfer-Encoding: chunked")
BODY = b'{"query": "1"}'
TIMED_OUT = b"HTTP/1.1 408 Request Timeout\r\n"
HEAD_TOO_LONG = b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
UNFINISHED = [b"P", b"\r\n", HEAD[:40], HEAD[:-2], HEAD, HEAD + BODY[:-1]]


@pytest.mark.parametrize("sent", UNFINISHED, ids=repr)
def test_a_request_has_one_timer_from_its_first_byte_to_its_end(sent: bytes) -> None:
    async def test() -> None:
        connection = Connection()
        for place in range(len(sent)):
            await connection.receive(sent[place : place + 1])
            assert len(connection.read_timers) == 1  # no byte starts it again
        connection.read_timers[0].run()
        assert (connection.written[: len(TIMED_OUT)], connection.transport.closed) == (TIMED_OUT, True)
        assert len([timer for timer in connection.loop.timers if timer.delay == READ_TIMER_SECONDS]) == 1

    asyncio.run(test())


def test_a_connection_that_has_sent_nothing_is_idle_and_closed_without_a_word() -> None:
    async def test() -> None:
        connection = Connection()
        assert connection.read_timers == []
        (timer,) = connection.timers(KEEP_ALIVE_SECONDS)
        timer.run()
        assert (connection.written, connection.transport.closed) == (b"", True)

    asyncio.run(test())


def test_a_later_request_on_the_connection_has_its_own_timer() -> None:
    async def test() -> None:
        connection = Connection()
        for number in range(1, 4):
            await connection.receive(HEAD + BODY[:5])
            assert len(connection.read_timers) == 1
            await connection.receive(BODY[5:])
            assert connection.read_timers == []
            assert connection.written.count(b"HTTP/1.1 200 OK\r\n") == number
        answered = connection.written
        await connection.receive(HEAD)
        connection.read_timers[0].run()
        assert connection.written.startswith(answered + TIMED_OUT)

    asyncio.run(test())


def test_line_breaks_between_requests_do_not_hold_a_connection_for_ever() -> None:
    async def test() -> None:
        connection = Connection()
        await connection.receive(HEAD + BODY)
        await connection.receive(b"\r\n")
        await connection.receive(b"\r\n")
        (timer,) = connection.read_timers
        timer.run()
        assert connection.transport.closed

    asyncio.run(test())


def test_a_lost_connection_leaves_no_timer() -> None:
    async def test() -> None:
        connection = Connection()
        await connection.receive(HEAD)
        connection.protocol.connection_lost(None)
        assert connection.read_timers == []

    asyncio.run(test())


def test_a_refusal_comes_after_the_answers_to_earlier_requests() -> None:
    async def test() -> None:
        connection = Connection()
        connection.go.clear()
        await connection.receive((HEAD + BODY) * 2 + HEAD + BODY[:5])
        connection.read_timers[0].run()
        assert connection.written == b""
        connection.go.set()
        await connection.closed()
        statuses = re.findall(rb"HTTP/1.1 (\d+)", connection.written)
        assert statuses == [b"200", b"200", b"408"]
        assert (len(connection.bodies), connection.transport.closed) == (2, True)

    asyncio.run(test())


def test_only_so_many_requests_wait_for_the_answer_to_one_before() -> None:
    """The others are sent again by the client, which sees that its connection is closed behind the last answer."""

    async def test() -> None:
        connection = Connection()
        connection.go.clear()
        await connection.receive((HEAD + BODY) * 100)
        connection.go.set()
        await connection.closed()
        assert connection.written.count(b"HTTP/1.1 200 OK\r\n") == 1 + MAX_PIPELINED
        assert connection.written.count(b"connection: close\r\n") == 1

    asyncio.run(test())


@pytest.mark.parametrize("parts", [1, 2, 7], ids="in {} packets".format)
@pytest.mark.parametrize("before", [b"", HEAD + BODY], ids=["first", "pipelined"])
def test_the_limit_of_a_head_holds_however_it_arrives(parts: int, before: bytes) -> None:
    async def test(excess: int) -> Connection:
        connection = Connection()
        name_and_value = MAX_HEAD_BYTES - len(b"/health") - 4 + excess
        head = b"GET /health HTTP/1.1\r\nx:" + b" y".ljust(name_and_value, b"y") + b"\r\n\r\n"
        step = len(head) // parts + 1
        await connection.receive(before + head[:step])
        for place in range(step, len(head), step):
            await connection.receive(head[place : place + step])
        return connection

    short, long = asyncio.run(test(-100)), asyncio.run(test(100))
    assert short.written.count(b"HTTP/1.1 200 OK\r\n") == 1 + (before != b"")
    assert long.written.count(HEAD_TOO_LONG) == 1 and long.transport.closed
    assert [scope["path"] for scope in long.scopes] == ["/search"] * (before != b"")


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
        for answer in map(read_all, connections):
            assert answer.startswith(TIMED_OUT) and b"\r\nx-request-id: " in answer
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
            assert connection.recv(65536).startswith(TIMED_OUT)


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
        assert read_all(connection).startswith(HEAD_TOO_LONG)
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
