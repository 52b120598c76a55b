"""Refuses bodies that are longer than any honest request."""

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.problems import answer_http_error


class BodyLimit:
    """ASGI middleware: 413 for a longer body, before it is read where its length is announced."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on if its body is short enough."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length")
        if announced is None:
            await self._app(scope, self._counted(receive), send)
        elif announced.isdecimal() and int(announced) <= self._max_bytes:  # the server holds clients to it
            await self._app(scope, receive, send)
        else:
            await answer_http_error(scope["path"], scope["method"], HTTPException(413))(scope, receive, send)

    def _counted(self, receive: Receive) -> Receive:
        received_bytes = 0

        async def receive_some() -> Message:
            nonlocal received_bytes
            message = await receive()
            received_bytes += len(message.get("body", b""))
            if received_bytes > self._max_bytes:
                raise HTTPException(413)
            return message

        return receive_some
