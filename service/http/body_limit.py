"""The limit on the length of request bodies."""

from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.problems import answer_http_error
from service.http.headers import header_of


class BodyLimit:
    """ASGI middleware: answers 413 when a body is too long, without reading it if its length is announced.

    Args:
        app: The application.
        max_bytes: The limit for most paths.
        max_bytes_at: Other limits, by path.
    """

    def __init__(self, app: ASGIApp, max_bytes: int, max_bytes_at: Mapping[str, int]) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._max_bytes_at = max_bytes_at

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on if its body is short enough; a body of unknown length is counted while it is read."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        max_bytes = self._max_bytes_at.get(scope["path"], self._max_bytes)
        announced = header_of(scope["headers"], b"content-length")
        if not announced:
            await self._app(scope, _counted(receive, max_bytes), send)
        elif announced.isdecimal() and int(announced) <= max_bytes:  # the server reads no more than is announced
            await self._app(scope, receive, send)
        else:
            await answer_http_error(scope["path"], scope["method"], HTTPException(413))(scope, receive, send)


def _counted(receive: Receive, max_bytes: int) -> Receive:
    """Return a `receive` that raises an HTTPException with status 413 once the body is too long."""
    received_bytes = 0

    async def receive_counted() -> Message:
        nonlocal received_bytes
        message = await receive()
        received_bytes += len(message.get("body", b""))
        if received_bytes > max_bytes:
            raise HTTPException(413)
        return message

    return receive_counted
