"""Uvicorn's HTTP protocol with a time limit for receiving a request and a size limit for its headers.

Uvicorn itself has neither: a client that sends slowly, or sends headers without end, would hold a connection and its
memory for as long as it likes.
"""

import asyncio
from typing import Any

from service.http.coalesced_write import CoalescedWriteProtocol

MAX_HEAD_BYTES = 64 * 1024
_REQUEST_TIMEOUT = b"408 Request Timeout"
_HEAD_TOO_LONG = b"431 Request Header Fields Too Large"


class RequestTimeoutProtocol(CoalescedWriteProtocol):
    """A connection on which every request must arrive completely within a time limit.

    Attributes:
        read_seconds: The limit, counted from the connection's start or the request's first byte; set by
            `request_timeout_protocol`.
    """

    read_seconds: float

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._read_timer: asyncio.TimerHandle | None = None
        self._head_bytes: int | None = None  # received of the current request's head; None once it is complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the timer for the first request."""
        super().connection_made(transport)
        self._start_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse received bytes, and refuse the request when its head is too long."""
        if self._head_bytes is not None:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes is not None and self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(_HEAD_TOO_LONG)

    def on_message_begin(self) -> None:
        """Start the timer for a later request on the same connection."""
        if self._read_timer is None:
            self._start_reading()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Stop counting the bytes of the head."""
        self._head_bytes = None
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Stop the timer: the request has arrived completely."""
        self._stop_timer()
        super().on_message_complete()

    def _start_reading(self) -> None:
        self._head_bytes = 0
        self._read_timer = self.loop.call_later(self.read_seconds, self._refuse, _REQUEST_TIMEOUT)

    def _stop_timer(self) -> None:
        if self._read_timer is not None:
            self._read_timer.cancel()
            self._read_timer = None

    def _refuse(self, status: bytes) -> None:
        """Close the connection, after an answer with this status unless another answer has begun."""
        self._stop_timer()
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            self.transport.write(b"HTTP/1.1 %b\r\ncontent-length: 0\r\nconnection: close\r\n\r\n" % status)
        self.transport.close()


def request_timeout_protocol(read_seconds: float) -> type[RequestTimeoutProtocol]:
    """Return the protocol class with this time limit, for uvicorn's setting `http`."""
    return type("Protocol", (RequestTimeoutProtocol,), {"read_seconds": read_seconds})
