"""Limits on what a client sends: how long a request takes to arrive, how long its head is, how many come at once.

Uvicorn has none of them: a client that sends slowly, sends headers without end or sends requests without waiting for
answers would hold a connection and its memory for as long as it likes.
"""

import asyncio
from typing import Any

from service.http.refusals import Refused, RefusingProtocol

MAX_HEAD_BYTES = 64 * 1024
MAX_PIPELINED = 16  # requests that wait for the answer to one before; the client must send further ones again
_LINE_BYTES = 4  # of each header besides its name and its value: a colon, a blank, CR and LF


class RequestLimitsProtocol(RefusingProtocol):
    """A connection on which every request must arrive completely within a time limit, with a head of limited length.

    A connection that has sent nothing yet is idle, like one between two requests: it may stay for the keep-alive time.

    Attributes:
        read_seconds: The limit, counted from the request's first byte.
    """

    read_seconds: float

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._read_timer: asyncio.TimerHandle | None = None
        self._head_bytes: int | None = None  # received of the current request's head; None once it is complete
        self._is_pipelined = False  # the current request began within received bytes, where its head is not counted

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the idle time."""
        super().connection_made(transport)
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse received bytes, and refuse the request when its head is too long."""
        if self._read_timer is None and (self.cycle is None or self.cycle.response_complete):
            self._start_reading(is_pipelined=False)  # before a request is seen: the parser skips line breaks
        if self._head_bytes is not None:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes is not None and self._head_bytes > MAX_HEAD_BYTES:
            self._refuse_head()

    def on_message_begin(self) -> None:
        """Start the timer for a request that follows another one without a pause."""
        if self._read_timer is None:
            self._start_reading(is_pipelined=True)
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Check the length of the head, which may have arrived as a whole, and how many requests wait."""
        is_suspect = self._is_pipelined or (self._head_bytes or 0) > MAX_HEAD_BYTES  # a body may have come with it
        if is_suspect and _head_bytes(self.url, self.headers) > MAX_HEAD_BYTES:
            self._refuse_head()
            raise Refused
        self._head_bytes = None
        if len(self.pipeline) >= MAX_PIPELINED:
            self._stop_timer()
            self.stop_after_last()
            raise Refused
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Stop the timer: the request has arrived completely."""
        self._stop_timer()
        super().on_message_complete()
        self.headers = []  # those of the request are in its scope

    def _start_reading(self, *, is_pipelined: bool) -> None:
        self._head_bytes, self._is_pipelined = 0, is_pipelined
        self._read_timer = self.loop.call_later(self.read_seconds, self._refuse_unfinished)

    def _stop_timer(self) -> None:
        if self._read_timer is not None:
            self._read_timer.cancel()
            self._read_timer = None

    def _refuse_unfinished(self) -> None:
        """Refuse a request whose time is up."""
        self._read_timer = None
        cycle = self.cycle if self._head_bytes is None else None
        self.refuse(408, f"the request has not arrived completely within {self.read_seconds:g} s", cycle)

    def _refuse_head(self) -> None:
        self._stop_timer()
        self.refuse(431, f"the head of the request is longer than {MAX_HEAD_BYTES // 1024} KiB: send fewer headers")


def _head_bytes(url: bytes, headers: list[tuple[bytes, bytes]]) -> int:
    """Return the length of a head, without the few bytes of its first line that are no address."""
    return len(url) + sum(len(name) + len(value) + _LINE_BYTES for name, value in headers)
