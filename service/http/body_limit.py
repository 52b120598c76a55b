"""Refuses bodies that are longer than any honest request."""

from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.problems import answer_http_error
from service.http.headers import header_of


class BodyLimit:
    """ASGI middleware: 413 for a longer body, before it is read where its length is announced.

    Args:
        app: The application.
        max_bytes: Of a body.
        max_bytes_at: Of a body that is sent to one of these paths.
    """

    def __init__(self, app: ASGIApp, max_bytes: int, max_bytes_at: Mapping[str, int]) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._max_bytes_at = max_bytes_at

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on if its body is short enough."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        max_bytes = self._max_bytes_at.get(scope["path"], self._max_bytes)
        announced = header_of(scope, b"content-length")
        if not announced:
            await self._app(scope, _counted(receive, max_bytes), send)
        elif announced.isdecimal() and int(announced) <= max_bytes:  # the server holds clients to it
            await self._app(scope, receive, send)
        else:
            await answer_http_error(scope["path"], scope["method"], HTTPException(413))(scope, receive, send)


def _counted(receive: Receive, max_bytes: int) -> Receive:
    received_bytes = 0

    async def receive_some() -> Message:
        nonlocal received_bytes
        message = await receive()
        received_bytes += len(message.get("body", b""))
        if received_bytes > max_bytes:
            raise HTTPException(413)
        return message

    return receive_some
