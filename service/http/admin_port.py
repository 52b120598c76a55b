"""Which routes are answered on which port, where the admin routes have one of their own."""

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.problems import answer_http_error

_FOR_OPERATORS = ("/admin/", "/metrics")
_OPERATORS_PAGE = "/admin"


class AdminPort:
    """ASGI middleware: 404 for admin routes and metrics on any port but theirs, which answers all routes.

    The pages compare, judge and change versions by both kinds of routes, so that the one port has to answer them all.

    Args:
        app: The application.
        admin_port: The port on which the service listens for those who run it.
    """

    def __init__(self, app: ASGIApp, admin_port: int) -> None:
        self._app = app
        self._admin_port = admin_port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on if it came to the right port."""
        if scope["type"] != "http" or self._is_right(scope):
            await self._app(scope, receive, send)
        else:
            await answer_http_error(scope["path"], scope["method"], HTTPException(404))(scope, receive, send)

    def _is_right(self, scope: Scope) -> bool:
        """By the socket that the request came in by, which no header can claim to be another."""
        came_to_admin: bool = scope["server"][1] == self._admin_port
        for_operators: bool = scope["path"].startswith(_FOR_OPERATORS) or scope["path"] == _OPERATORS_PAGE
        return came_to_admin or not for_operators
