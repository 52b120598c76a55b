"""A request to change the protocol is answered as any other, however its body comes, and its connection lives on."""

import asyncio
import shutil
import subprocess

import pytest

from tests.service.http.manual_connection import Connection
from tests.service.running import Running

BODY = b'{"query": "red mug"}'
WISHES = {
    "Java": b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABk\r\n",
    "websocket": b"connection: keep-alive, upgrade\r\nupgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
    "last": b"Upgrade: h2c, TLS/1.3\r\nConnection: upgrade\r\nConnection: close\r\n",
}


def post(wish: bytes, *, is_chunked: bool) -> bytes:
    head = b"POST /search?a=b HTTP/1.1\r\nHost: shop\r\n" + wish + b"X-Request-ID: java-1\r\n"
    if is_chunked:
        parts = (BODY[:7], BODY[7:], b"")
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
        return head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks
    return head + b"Content-Length: %d\r\n\r\n%b" % (len(BODY), BODY)


@pytest.mark.parametrize("step", [1, 7, 50, 10_000])
@pytest.mark.parametrize("is_chunked", [False, True], ids=["length", "chunks"])
@pytest.mark.parametrize("wish", ["Java", "websocket"])
def test_the_connection_stays_at_http_1(wish: str, is_chunked: bool, step: int) -> None:
    async def test() -> Connection:
        connection = Connection()
        sent = post(WISHES[wish], is_chunked=is_chunked) * 2 + post(b"", is_chunked=not is_chunked)
        for place in range(0, len(sent), step):
            await connection.receive(sent[place : place + step])
        while len(connection.bodies) < 3:
            await connection.settle()
        assert connection.read_timers == []
        return connection

    connection = asyncio.run(asyncio.wait_for(test(), 60))
    assert connection.bodies == [BODY] * 3
    assert connection.written.count(b"HTTP/1.1 200 OK\r\n") == 3
    assert not connection.transport.closed
    for scope in connection.scopes:
        assert (scope["method"], scope["path"], scope["query_string"]) == ("POST", "/search", b"a=b")
        assert (b"x-request-id", b"java-1") in scope["headers"]
        assert b"upgrade" not in dict(scope["headers"])


@pytest.mark.parametrize("length", [None, 0])
def test_without_a_body(length: int | None) -> None:
    async def test() -> Connection:
        connection = Connection()
        announced = b"" if length is None else b"Content-Length: 0\r\n"
        await connection.receive(b"GET /health HTTP/1.1\r\nHost: shop\r\n" + WISHES["Java"] + announced + b"\r\n")
        return connection

    assert asyncio.run(test()).bodies == [b""]


def test_a_wish_to_close_is_kept() -> None:
    async def test() -> Connection:
        connection = Connection()
        await connection.receive(post(WISHES["last"], is_chunked=False))
        await connection.closed()
        return connection

    connection = asyncio.run(test())
    assert (connection.bodies, connection.written.count(b"connection: close\r\n")) == ([BODY], 1)


def test_a_tunnel_is_refused() -> None:
    async def test() -> Connection:
        connection = Connection()
        await connection.receive(b"CONNECT shop:443 HTTP/1.1\r\nHost: shop:443\r\n\r\n")
        await connection.closed()
        return connection

    connection = asyncio.run(test())
    assert connection.written.startswith(b"HTTP/1.1 400 Bad Request\r\n") and connection.scopes == []


@pytest.mark.integration
@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
def test_curl_that_prefers_http_2(served: Running) -> None:
    command = ["curl", "--silent", "--http2", "--header", "Content-Type: application/json", "--data", BODY.decode()]
    answers = ["--write-out", "%{http_code} %{num_connects}\n", "--output", "/dev/null"]
    url = f"{served.url}/search"
    done = subprocess.run(
        [*command, *answers, url, "--next", *command[1:], *answers, url], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.splitlines() == ["200 1", "200 0"]  # the second on the same connection
