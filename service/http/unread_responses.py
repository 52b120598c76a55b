"""Limits on responses that a client does not read: how long one waits for it, and how many bytes wait in all.

Uvicorn has no such limits: it hands each response to the transport as a whole, which keeps it until the client has read
it, however long that takes. A connection here answers its next request only when the client has read the response
before.
"""

import asyncio
from typing import Any

from service.http.coalesced_write import CoalescedWriteProtocol
from service.telemetry.metrics import CutReason, Metrics


class UnreadResponses:
    """The connections of one server whose clients have not yet read a whole response.

    Args:
        max_bytes: The maximum number of unread bytes of all connections together. Beyond it, connections are cut, those
            first that have waited longest; a single response may be longer.
        metrics: Counts connections that are cut.
    """

    def __init__(self, max_bytes: int, metrics: Metrics) -> None:
        self._max_bytes = max_bytes
        self._metrics = metrics
        self._bytes: dict[UnreadResponseProtocol, int] = {}  # the connection that has waited longest comes first
        self._total_bytes = 0

    def add(self, connection: "UnreadResponseProtocol") -> None:
        """Count the unread bytes of a connection, and cut others when there are too many."""
        unread_bytes = connection.transport.get_write_buffer_size()
        self._bytes[connection] = unread_bytes
        self._total_bytes += unread_bytes
        while self._total_bytes > self._max_bytes and len(self._bytes) > 1:
            next(iter(self._bytes)).cut("memory")

    def discard(self, connection: "UnreadResponseProtocol") -> None:
        """Stop counting a connection."""
        self._total_bytes -= self._bytes.pop(connection, 0)

    def count_cut(self, reason: CutReason) -> None:
        """Count a connection that is cut for this reason."""
        self._metrics.count_cut_connection(reason)


class UnreadResponseProtocol(CoalescedWriteProtocol):
    """A connection that is cut when its client does not read a whole response within a time limit.

    Attributes:
        write_seconds: The limit, counted from when the response no longer fits into the system's buffers.
        unread_responses: Those of all connections of the server.
    """

    write_seconds: float
    unread_responses: UnreadResponses

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._write_timer: asyncio.TimerHandle | None = None
        self._holds_next_request = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Be told of every byte that waits in the transport."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=0)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget what was not read."""
        self._stop_write_timer()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Start the timer: part of a response waits in the transport."""
        super().pause_writing()
        self._write_timer = self.loop.call_later(self.write_seconds, self.cut, "slow_reader")
        self.unread_responses.add(self)

    def resume_writing(self) -> None:
        """Stop the timer, and go on to the request that was held."""
        self._stop_write_timer()
        super().resume_writing()
        if self._holds_next_request:
            self._holds_next_request = False
            self.on_response_complete()

    def on_response_complete(self) -> None:
        """Go on to the next request once this response is read, and read nothing more from the client until then."""
        if self.flow.write_paused and not self.transport.is_closing():
            self._holds_next_request = True
            self.flow.pause_reading()
        else:
            super().on_response_complete()

    def cut(self, reason: CutReason) -> None:
        """Reset the connection and drop what its client has not read."""
        self._stop_write_timer()
        self.unread_responses.count_cut(reason)
        self.transport.abort()

    def _stop_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None
            self.unread_responses.discard(self)
