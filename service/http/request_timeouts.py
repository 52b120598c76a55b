"""HTTP as uvicorn reads it, with bounds for clients that send slowly or without end.

Uvicorn itself waits for the rest of a request for as long as its connection lasts, and keeps all headers that come.
"""

import asyncio
from typing import Any

from service.http.coalesced_write import OneWriteProtocol

MAX_HEAD_BYTES = 64 * 1024
_TOO_SLOW = b"408 Request Timeout"
_HEAD_TOO_LONG = b"431 Request Header Fields Too Large"


class PatientProtocol(OneWriteProtocol):
    """A connection whose requests must have come wholly within some time from their beginning.

    Attributes:
        read_seconds: That time; set by `protocol_with`.
    """

    read_seconds: float

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._out_of_patience: asyncio.TimerHandle | None = None
        self._head_bytes: int | None = None  # of the head that is being read; None after it

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._begin_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._end_request()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, unless the head has grown too long."""
        if self._head_bytes is not None:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes is not None and self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(_HEAD_TOO_LONG)

    def on_message_begin(self) -> None:
        """The first bytes of a request have come."""
        if self._out_of_patience is None:
            self._begin_request()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head has come wholly."""
        self._head_bytes = None
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request has come wholly."""
        self._end_request()
        super().on_message_complete()

    def _begin_request(self) -> None:
        self._head_bytes = 0
        self._out_of_patience = self.loop.call_later(self.read_seconds, self._refuse, _TOO_SLOW)

    def _end_request(self) -> None:
        if self._out_of_patience is not None:
            self._out_of_patience.cancel()
            self._out_of_patience = None

    def _refuse(self, status: bytes) -> None:
        """Close the connection, and say why where no answer has begun on it."""
        self._end_request()
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            self.transport.write(b"HTTP/1.1 %b\r\ncontent-length: 0\r\nconnection: close\r\n\r\n" % status)
        self.transport.close()


def protocol_with(read_seconds: float) -> type[PatientProtocol]:
    """The protocol for uvicorn's setting `http`."""
    return type("Protocol", (PatientProtocol,), {"read_seconds": read_seconds})
