"""Answers 500 when the application raises an error that nothing else handles, and 503 when it is cancelled."""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.problems import answer_service_error, internal_error_response
from service.core.errors import NotReadyError
from service.core.logs import EventLog

_log = EventLog(__name__)


class ServerErrorHandler:
    """ASGI middleware: logs an unhandled error and answers 500 without its details; answers 503 to a cancelled request.

    It replaces Starlette's own, which raises the error again after its answer; uvicorn then resets the connection, and
    the client loses the next request that it has sent on it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and answer it when that raises."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def note_start(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, note_start)
        except asyncio.CancelledError:  # the time to drain is up
            if started:
                raise
            await answer_service_error(NotReadyError("the process is about to stop"))(scope, receive, send)
        except Exception:
            if started:  # part of an answer is sent: only a broken connection shows the client that it is incomplete
                raise
            _log.exception("bug", method=scope["method"], path=scope["path"])
            await internal_error_response()(scope, receive, send)
