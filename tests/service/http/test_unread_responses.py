"""Answers that clients do not read take little memory, and not for long."""

import asyncio

import pytest

from service.http import connection as limits
from service.telemetry.metrics import Metrics
from tests.service.http.manual_connection import WRITE_SECONDS, Connection, RecordingTransport

GET = b"GET /health HTTP/1.1\r\nHost: shop\r\n\r\n"


def cut(metrics: Metrics, reason: str) -> bool:
    """Return whether one connection was cut for this reason, and none for another."""
    lines = [
        line for line in metrics.render().decode().splitlines() if line.startswith("vitrine_cut_connections_total")
    ]
    return sorted(line for line in lines if not line.endswith(" 0.0")) == [
        f'vitrine_cut_connections_total{{reason="{reason}"}} 1.0'
    ]


def test_a_client_that_does_not_read_is_cut_in_time() -> None:
    async def test() -> None:
        connection = Connection()
        connection.transport.holds_back = True
        await connection.receive(GET)
        (timer,) = connection.timers(WRITE_SECONDS)
        timer.run()
        assert connection.transport.aborted and cut(connection.metrics, "slow_reader")

    asyncio.run(test())


def test_a_client_that_reads_in_time_goes_on() -> None:
    async def test() -> None:
        connection = Connection()
        for _ in range(2):
            connection.transport.holds_back = True
            await connection.receive(GET)
            assert len(connection.timers(WRITE_SECONDS)) == 1
            connection.transport.read()
            assert connection.timers(WRITE_SECONDS) == []
        await connection.receive(GET)
        assert connection.timers(WRITE_SECONDS) == []
        assert len(connection.bodies) == 3

    asyncio.run(test())


def test_a_lost_connection_leaves_no_timer() -> None:
    async def test() -> None:
        connection = Connection()
        connection.transport.holds_back = True
        await connection.receive(GET)
        connection.protocol.connection_lost(None)
        assert connection.timers(WRITE_SECONDS) == []

    asyncio.run(test())


@pytest.mark.parametrize("at_once", [True, False])
def test_the_next_request_waits_until_the_answer_before_is_read(at_once: bool) -> None:
    async def test() -> None:
        connection = Connection()
        connection.transport.holds_back = True
        await connection.receive(GET * 3 if at_once else GET)
        assert not connection.transport.is_reading  # so that a request that is sent later waits in the client's system
        assert len(connection.scopes) == 1
        connection.transport.read()
        await connection.settle()
        assert len(connection.bodies) == (3 if at_once else 1)
        assert connection.transport.is_reading

    asyncio.run(test())


def test_when_too_much_is_unread_the_longest_waiting_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_UNREAD_BYTES", 80)  # an answer has 42 bytes

    async def test() -> None:
        connection = Connection()
        transports: list[RecordingTransport] = []
        for number in range(4):
            if number:
                connection.open()
            transports.append(connection.transport)
            connection.transport.holds_back = True
            await connection.receive(GET)
            if number == 0:
                connection.transport.read()  # which is then no longer counted
                connection.transport.holds_back = True
        assert [transport.aborted for transport in transports] == [False, True, True, False]

    asyncio.run(test())


def test_a_single_answer_may_be_longer_than_all_that_may_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_UNREAD_BYTES", 10)

    async def test() -> None:
        connection = Connection()
        connection.transport.holds_back = True
        await connection.receive(GET)
        assert not connection.transport.aborted

    asyncio.run(test())
