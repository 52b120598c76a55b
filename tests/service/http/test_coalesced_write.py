"""The coalescing protocol sends the same bytes as uvicorn's own, in fewer writes."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from service.http.coalesced_write import CoalescedWriteProtocol
from tests.service.http.manual_connection import RecordingTransport

GET = b"GET /%b HTTP/1.1\r\nHost: shop\r\n\r\n"
POST = b"POST /read HTTP/1.1\r\nHost: shop\r\nContent-Length: 3\r\n"
BODY = b"x" * 20_000
HEADERS = {"content-type": "application/json", "content-length": str(len(BODY))}


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that answers in the way that the path names."""
    headers = [(name.encode(), value.encode()) for name, value in HEADERS.items()]

    async def start(status: int = 200, headers: list[tuple[bytes, bytes]] = headers) -> None:
        await send({"type": "http.response.start", "status": status, "headers": headers})

    async def whole() -> None:
        await start()
        await send({"type": "http.response.body", "body": BODY})

    async def empty() -> None:
        await start(204, [])
        await send({"type": "http.response.body"})

    async def stream() -> None:
        await start(headers=[])
        for part in (b"one", b"", b"two"):
            await send({"type": "http.response.body", "body": part, "more_body": True})
            await asyncio.sleep(0)
        await send({"type": "http.response.body"})

    async def pieces() -> None:
        await start()
        for place in range(0, len(BODY), 5_000):
            more = place + 5_000 < len(BODY)
            await send({"type": "http.response.body", "body": BODY[place : place + 5_000], "more_body": more})

    async def broken() -> None:
        await start()
        raise RuntimeError("after the head")

    async def early() -> None:
        raise RuntimeError("before the head")

    async def read() -> None:
        await receive()
        await whole()

    answers: dict[str, Callable[[], Awaitable[None]]] = {
        f"/{each.__name__}": each for each in (whole, empty, stream, pieces, broken, early, read)
    }
    await answers[scope["path"]]()


def written(protocol: type[HttpToolsProtocol], *requests: bytes) -> tuple[list[bytes], bool]:
    """Return what a protocol writes call by call, and whether it closes the connection."""

    async def run() -> tuple[list[bytes], bool]:
        config = uvicorn.Config(answer, http=protocol, lifespan="off", ws="none", log_config=None)
        config.load()
        connection = protocol(config=config, server_state=ServerState(), app_state={})
        transport = RecordingTransport()
        connection.connection_made(transport)
        for request in requests:
            connection.data_received(request)
            for _ in range(20):
                await asyncio.sleep(0)
        connection.connection_lost(None)
        return transport.written, transport.closed

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("requests", "writes"),
    [
        ([GET % b"whole"], 1),
        ([GET % b"whole", GET % b"whole"], 2),
        ([(GET % b"whole") * 3], 3),
        ([(GET % b"whole").replace(b"GET", b"HEAD")], 1),
        ([GET % b"empty"], 1),
        ([GET % b"stream"], 3),
        ([GET % b"pieces"], 4),
        ([POST + b"\r\n" + b"abc"], 1),
        ([POST + b"Expect: 100-continue\r\n\r\n", b"abc"], 2),
        ([POST + b"Connection: close\r\n\r\n" + b"abc"], 1),
        ([GET % b"broken"], 1),
        ([GET % b"early"], 1),
        ([b"no HTTP\r\n\r\n"], 1),
    ],
    ids=lambda value: value[0][:40].decode() if isinstance(value, list) else "",
)
def test_the_same_bytes_in_fewer_writes(requests: list[bytes], writes: int) -> None:
    ours, closed = written(CoalescedWriteProtocol, *requests)
    uvicorns, uvicorn_closed = written(HttpToolsProtocol, *requests)
    assert b"".join(ours) == b"".join(uvicorns) != b""
    assert closed == uvicorn_closed
    assert len([data for data in ours if data]) == writes
