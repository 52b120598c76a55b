"""The limit on open connections, beyond which only probes are answered.

A connection beyond the limit is answered once and closed: probes and metrics as always, so that an overloaded process
is not taken for a dead one, and everything else with 503. When these are too many, the oldest is cut, so that a probe
always gets through.
"""

from collections import Counter
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.problems import answer_service_error
from service.core.errors import OverloadedError
from service.http.ignored_upgrades import IgnoredUpgradeProtocol
from service.telemetry.metrics import Metrics

RESERVE = 32  # connections beyond the limit
_PROBES = ("/health", "/ready", "/metrics")
_OVER_LIMIT_KEY = "vitrine.over_limit"  # in the scope of a request


class OpenConnections:
    """The open connections of one server. Each of its ports has the whole limit to itself.

    Args:
        max_connections: The limit.
        metrics: Reports how many there are, and how many were cut.
    """

    def __init__(self, max_connections: int, metrics: Metrics) -> None:
        self._max_connections = max_connections
        self._metrics = metrics
        self._counts: Counter[int | None] = Counter()  # by port, without those beyond the limit
        self._beyond: dict[ConnectionLimitProtocol, None] = {}  # the oldest first
        metrics.watch_connections(lambda: self._counts.total() + len(self._beyond))

    def add(self, connection: "ConnectionLimitProtocol", port: int | None) -> bool:
        """Count a new connection, and return whether it is within the limit."""
        if self._counts[port] < self._max_connections:
            self._counts[port] += 1
            return True
        self._beyond[connection] = None
        if len(self._beyond) > RESERVE:
            oldest = next(iter(self._beyond))
            del self._beyond[oldest]
            self._metrics.count_cut_connection("limit")
            oldest.transport.abort()
        return False

    def discard(self, connection: "ConnectionLimitProtocol", port: int | None) -> None:
        """Stop counting a connection that was lost."""
        if connection.is_within_limit:
            self._counts[port] -= 1
        else:
            self._beyond.pop(connection, None)


class ConnectionLimitProtocol(IgnoredUpgradeProtocol):
    """A connection that knows whether it is within the limit.

    Attributes:
        open_connections: Those of the server.
        is_within_limit: Whether it was when it was opened.
    """

    open_connections: OpenConnections
    is_within_limit: bool

    def connection_made(self, transport: Any) -> None:
        """Count the connection."""
        super().connection_made(transport)
        self._port = self.server[1] if self.server else None
        self.is_within_limit = self.open_connections.add(self, self._port)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop counting the connection."""
        self.open_connections.discard(self, self._port)
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Mark the requests of a connection beyond the limit."""
        super().on_message_begin()
        if not self.is_within_limit:
            self.scope[_OVER_LIMIT_KEY] = True  # type: ignore[literal-required]

    def on_headers_complete(self) -> None:
        """Close a connection beyond the limit after its first answer."""
        super().on_headers_complete()
        if not self.is_within_limit and self.cycle is not None:
            self.stop_after_last()


class ConnectionLimit:
    """ASGI middleware: answers 503 on connections beyond the limit, except to probes."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on if its connection is within the limit, or if it is a probe."""
        if _OVER_LIMIT_KEY in scope and scope["path"] not in _PROBES:
            error = OverloadedError("too many connections are open; try again in a moment")
            await answer_service_error(error)(scope, receive, send)
        else:
            await self._app(scope, receive, send)
