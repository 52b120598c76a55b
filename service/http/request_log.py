"""Gives every request an id, which its answer carries, and counts and logs how it was answered."""

import random
import re
import time
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.problem_kinds import PROBLEM_KINDS
from service.core.errors import ClientGoneError
from service.core.logs import EventLog, RequestIds, current_request
from service.http.headers import Headers, header_of
from service.telemetry.metrics import Metrics

_log = EventLog(__name__)
REQUEST_ID_HEADER = "x-request-id"
_REQUEST_ID_KEY = REQUEST_ID_HEADER.encode()
# In the scope of a request, for the connection that it came on and back:
IDS_KEY = "vitrine.ids"  # its ids
REFUSED_STATUS_KEY = "vitrine.refused_status"  # how the connection has answered it in the application's place
CLIENT_GONE = PROBLEM_KINDS[ClientGoneError].status
UNMATCHED = "unmatched"  # for all paths without a route, so that strangers cannot add series to the metrics
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
# Version 00 of W3C trace context: trace id, parent id, flags. Ids of zeros alone are not valid.
_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


class RequestLog:
    """ASGI middleware: gives requests their ids, and counts and logs the answers.

    Args:
        app: The application.
        metrics: Counts every answer by route and status.
        is_draining: Says whether the process is about to stop; answers then ask clients to close the connection.
        log_all: Log all requests; otherwise only those answered with 500. Refusals with 503 are only counted: a line
            for each would cost an overloaded service more than the refusal.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, is_draining: Callable[[], bool], log_all: bool) -> None:
        self._app = app
        self._metrics = metrics
        self._is_draining = is_draining
        self._log_all = log_all

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on under its id.

        One that raises before any answer counts as 500, and one whose client hung up before any answer as 499, whatever
        the application made of it.
        """
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started_at, status, is_gone, is_started = time.perf_counter(), 500, False, False
        ids = scope[IDS_KEY] = request_ids(scope["headers"])

        async def note_hang_up() -> Message:
            nonlocal is_gone
            message = await receive()
            if message["type"] == "http.disconnect" and not is_started:
                is_gone = True
            return message

        async def note_status(message: Message) -> None:
            nonlocal status, is_started
            if message["type"] == "http.response.start":
                status, is_started = CLIENT_GONE if is_gone else message["status"], True
                message["headers"].append((_REQUEST_ID_KEY, ids.request_id.encode()))
                if self._is_draining():
                    message["headers"].append((b"connection", b"close"))
            await send(message)

        token = current_request.set(ids)
        try:
            await self._app(scope, note_hang_up, note_status)
        finally:
            status = scope.get(REFUSED_STATUS_KEY, status)
            self._metrics.count_answer(getattr(scope.get("route"), "path", UNMATCHED), status)
            if self._log_all or status == 500:
                took_ms = round(1000 * (time.perf_counter() - started_at), 3)
                _log.info("request", method=scope["method"], path=scope["path"], status=status, took_ms=took_ms)
            current_request.reset(token)


def request_ids(headers: Headers) -> RequestIds:
    """Return the caller's ids where they are well-formed, so that they break neither logs nor headers."""
    trace = _TRACEPARENT.fullmatch(header_of(headers, b"traceparent"))
    given = header_of(headers, _REQUEST_ID_KEY)
    request_id = given if _REQUEST_ID.fullmatch(given) else f"{random.getrandbits(128):032x}"  # not a secret
    return RequestIds(request_id, trace[1] if trace else None)
