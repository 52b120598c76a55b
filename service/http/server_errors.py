"""Answers 500 where the application itself breaks."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.problems import bug_response
from service.core.logs import EventLog

_log = EventLog(__name__)


class LastResort:
    """ASGI middleware: logs what broke and tells the client nothing of it.

    The framework has a place for this, but it raises the error once more, for which the server resets the
    client's connection and with it the next request.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and answer it if nobody else could."""
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
        except Exception:
            if started:  # half an answer is out: only a broken connection tells the client so
                raise
            _log.exception("bug", method=scope["method"], path=scope["path"])
            await bug_response()(scope, receive, send)
