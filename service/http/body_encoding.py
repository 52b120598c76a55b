"""Refuses bodies that are compressed, which no route reads."""

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.problems import answer_http_error

_PLAIN = {b"content-encoding": b"identity", b"transfer-encoding": b"chunked"}


class BodyEncoding:
    """ASGI middleware: answers 415 to a body with a content coding, and 501 to one with a transfer coding but chunked.

    Args:
        app: The application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on unless its headers say that its body is encoded."""
        if scope["type"] == "http":
            for name, value in scope["headers"]:
                if name in _PLAIN and value.strip().lower() not in (_PLAIN[name], b"") and _has_body(scope):
                    error = _refusal(name.decode(), value.decode("latin-1"))
                    await answer_http_error(scope["path"], scope["method"], error)(scope, receive, send)
                    return
        await self._app(scope, receive, send)


def _has_body(scope: Scope) -> bool:
    """Return whether a body is announced, which a client that always sends the same headers may not do."""
    lengths = {name: value for name, value in scope["headers"] if name in (b"content-length", b"transfer-encoding")}
    return b"transfer-encoding" in lengths or lengths.get(b"content-length", b"0") != b"0"


def _refusal(name: str, value: str) -> HTTPException:
    if name == "content-encoding":
        detail = f"the body is encoded with {value}: send it as it is, without the header Content-Encoding"
        return HTTPException(415, detail, {"Accept-Encoding": "identity"})
    return HTTPException(501, f"the body is sent with the transfer coding {value}: expected chunked or none")
