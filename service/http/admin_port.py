"""Keeps admin routes and metrics off the public port when the service has an admin port."""

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.problems import answer_http_error

_ADMIN_PREFIXES = ("/admin/", "/metrics")
_ADMIN_PAGE = "/admin"


class AdminPort:
    """ASGI middleware: answers 404 for admin routes and metrics on any port but the admin port.

    The admin port answers all other routes too, since the pages compare, judge and swap versions by both kinds.

    Args:
        app: The application.
        admin_port: The port that admin routes and metrics are answered on.
    """

    def __init__(self, app: ASGIApp, admin_port: int) -> None:
        self._app = app
        self._admin_port = admin_port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on if its path is answered on the port that it came to."""
        if scope["type"] != "http" or self._is_allowed(scope):
            await self._app(scope, receive, send)
        else:
            await answer_http_error(scope["path"], scope["method"], HTTPException(404))(scope, receive, send)

    def _is_allowed(self, scope: Scope) -> bool:
        """Decide by the socket that the request came to, which no header can change."""
        came_to_admin_port: bool = scope["server"][1] == self._admin_port
        is_admin_path: bool = scope["path"].startswith(_ADMIN_PREFIXES) or scope["path"] == _ADMIN_PAGE
        return came_to_admin_port or not is_admin_path
