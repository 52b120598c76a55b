"""A connection of the service without a socket, whose timers run out and whose client reads when a test says so."""

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from service.core.settings import Settings
from service.http.connection import connection_protocol
from service.telemetry.metrics import Metrics
from tests.service.waiting import until

READ_SECONDS, WRITE_SECONDS, KEEP_ALIVE_SECONDS = 7.0, 11.0, 13


class RecordingTransport(asyncio.Transport):
    """Records the data of each write.

    Attributes:
        written: the data.
        holds_back: whether what is written from now on stays unread until `read`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closed = False
        self.aborted = False
        self.is_reading = True
        self.holds_back = False
        self.unread_bytes = 0
        self.protocol: Any = None

    def write(self, data: Any) -> None:
        assert not self.closed
        self.written.append(bytes(data))
        if self.holds_back:
            self.unread_bytes += len(data)
            self.protocol.pause_writing()

    def read(self) -> None:
        """Let the client read everything that was written."""
        self.holds_back, self.unread_bytes = False, 0
        self.protocol.resume_writing()

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        assert high == 0

    def get_write_buffer_size(self) -> int:
        return self.unread_bytes

    def pause_reading(self) -> None:
        self.is_reading = False

    def resume_reading(self) -> None:
        self.is_reading = True


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
    """A connection whose application answers each request with "done" when its body is complete.

    Args:
        settings: fields of Settings.

    Attributes:
        scopes: of the requests that the application has been called with.
        bodies: of those that it has read completely.
        go: blocks answers while it is cleared.
    """

    def __init__(self, metrics: Metrics | None = None, **settings: Any) -> None:
        made = Settings(store=Path("."), read_seconds=READ_SECONDS, write_seconds=WRITE_SECONDS, **settings)
        self.metrics = metrics or Metrics()
        self.protocol_class = connection_protocol(made, self.metrics)
        self.open()

    def open(self) -> None:
        """Open a connection to the same server, which takes the place of the one before in the attributes."""
        config = uvicorn.Config(
            self._answer, lifespan="off", ws="none", log_config=None, interface="asgi3",
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
        )  # fmt: skip
        config.load()
        self.scopes: list[Scope] = []
        self.bodies: list[bytes] = []
        self.go = asyncio.Event()
        self.go.set()
        self.loop = ManualLoop()
        loop: Any = self.loop
        self.protocol = self.protocol_class(config, ServerState(), {}, loop)
        self.transport = RecordingTransport()
        self.transport.protocol = self.protocol
        self.protocol.connection_made(self.transport)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        message, body = await receive(), b""
        while message["type"] == "http.request" and message["more_body"]:
            body += message["body"]
            message = await receive()
        if message["type"] == "http.disconnect":
            return
        self.bodies.append(body + message["body"])
        await self.go.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        await send({"type": "http.response.body", "body": b"done"})

    async def receive(self, data: bytes) -> None:
        """Receive bytes and let the application run as far as it can."""
        self.protocol.data_received(data)
        await self.settle()

    async def settle(self) -> None:
        """Let the application run as far as it can."""
        for _ in range(20):
            await asyncio.sleep(0)

    async def closed(self) -> None:
        """Wait until the connection is closed."""
        await until(lambda: self.transport.closed, "the connection is still open")

    @property
    def written(self) -> bytes:
        """Everything that was written."""
        return b"".join(self.transport.written)

    def timers(self, seconds: float) -> list[Timer]:
        """Return the timers of this length that have not been cancelled."""
        return [timer for timer in self.loop.timers if timer.delay == seconds and not timer.is_cancelled]

    @property
    def read_timers(self) -> list[Timer]:
        """The timers that would end a request."""
        return self.timers(READ_SECONDS)
