"""Answers that a connection gives without the application: to what is no request, or does not arrive as it should."""

from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from service.api.problems import about_blank_response
from service.core.logs import EventLog, RequestIds, current_request
from service.http.request_log import IDS_KEY, REFUSED_STATUS_KEY, REQUEST_ID_HEADER, UNMATCHED, request_ids
from service.http.unread_responses import UnreadResponseProtocol
from service.telemetry.metrics import Metrics

_log = EventLog(__name__)


class Refusals:
    """Writes the answers of one server that its application does not give, and counts and logs them.

    Args:
        metrics: Counts the answers.
        log_all: Log each of them.
    """

    def __init__(self, metrics: Metrics, log_all: bool) -> None:
        self._metrics = metrics
        self._log_all = log_all

    def count(self, status: int, ids: RequestIds) -> None:
        """Count an answer to what the application has never seen."""
        self._metrics.count_answer(UNMATCHED, status)
        if self._log_all:
            token = current_request.set(ids)
            _log.info("request", status=status)
            current_request.reset(token)


class Refused(Exception):
    """A request has been refused while it was parsed, so that nothing more is parsed."""


class RefusingProtocol(UnreadResponseProtocol):
    """A connection that can refuse a request itself, after the answers to all requests before it.

    Attributes:
        refusals: Writes the answers.
        active_cycle: The request that the application answers, or has answered last.
        has_stopped_parsing: Whether nothing more is parsed, since the connection is about to be closed.
    """

    refusals: Refusals

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.active_cycle: RequestResponseCycle | None = None
        self.has_stopped_parsing = False
        self._refusal: bytes | None = None  # waits for the answers to earlier requests

    def data_received(self, data: bytes) -> None:
        """Parse received bytes, unless a request has been refused."""
        if not self.has_stopped_parsing:
            self._unset_keepalive_if_required()
            self.parse(data)

    def parse(self, data: bytes) -> None:
        """Parse received bytes, and refuse what is no HTTP."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self.refuse(400, "the bytes are no HTTP/1.1 request")

    def on_response_complete(self) -> None:
        """Send a refusal that waited for this response."""
        if self._refusal is not None and not self.pipeline and not self.transport.is_closing():
            self._send_refusal(self._refusal)
        else:
            super().on_response_complete()

    def refuse(self, status: int, detail: str, cycle: RequestResponseCycle | None = None) -> None:
        """Refuse a request and close the connection.

        Args:
            status: The status of the answer.
            detail: What is wrong, as a sentence.
            cycle: The request, if its application has been or will be called.
        """
        if self.has_stopped_parsing or self.transport.is_closing():
            return
        self.has_stopped_parsing = True
        if cycle is not None and cycle is self.active_cycle:
            self._refuse_active(status, detail, cycle)
            return
        ids = request_ids(self.headers or ())
        self.refusals.count(status, ids)
        answer = self._answer(status, detail, ids)
        if cycle is not None:
            self.pipeline.popleft()  # the request that came last
        if self.pipeline or (self.active_cycle is not None and not self.active_cycle.response_complete):
            self._refusal = answer
        else:
            self._send_refusal(answer)

    def stop_after_last(self) -> None:
        """Parse nothing more, and close the connection after the answer to the last request that was parsed."""
        self.has_stopped_parsing = True
        self.cycle.keep_alive = False

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self.active_cycle = cycle
        super()._start_asgi_task(cycle, app)

    def _refuse_active(self, status: int, detail: str, cycle: RequestResponseCycle) -> None:
        """Answer a request whose application waits for its body. The request log counts it with this status."""
        if cycle.response_started:
            self.transport.close()
            return
        cycle.scope[REFUSED_STATUS_KEY] = status  # type: ignore[literal-required]
        ids = cycle.scope.get(IDS_KEY) or request_ids(cycle.scope["headers"])
        self._send_refusal(self._answer(status, detail, ids))  # type: ignore[arg-type]
        cycle.disconnected = True
        cycle.message_event.set()

    def _send_refusal(self, answer: bytes) -> None:
        self.transport.write(answer)
        self.transport.close()

    def _answer(self, status: int, detail: str, ids: RequestIds) -> bytes:
        response = about_blank_response(status, detail)
        headers = [
            *self.server_state.default_headers,
            *response.raw_headers,
            (REQUEST_ID_HEADER.encode(), ids.request_id.encode()),
            (b"connection", b"close"),
        ]
        lines = b"".join(b"%b: %b\r\n" % header for header in headers)
        return b"%b%b\r\n%b" % (STATUS_LINE[status], lines, bytes(response.body))
