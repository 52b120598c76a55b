"""The class of the connections of a server, with its limits."""

from service.core.settings import Settings
from service.http.connection_limit import ConnectionLimitProtocol, OpenConnections
from service.http.refusals import Refusals
from service.http.unread_responses import UnreadResponses
from service.telemetry.metrics import Metrics

MAX_UNREAD_BYTES = 32_000_000  # of all connections together


def connection_protocol(settings: Settings, metrics: Metrics) -> type[ConnectionLimitProtocol]:
    """Return the class of the connections of one server, for uvicorn's setting `http`."""
    attributes = {
        "read_seconds": settings.read_seconds,
        "write_seconds": settings.write_seconds,
        "refusals": Refusals(metrics, settings.log_requests),
        "unread_responses": UnreadResponses(MAX_UNREAD_BYTES, metrics),
        "open_connections": OpenConnections(settings.max_connections, metrics),
    }
    return type("Connection", (ConnectionLimitProtocol,), attributes)
