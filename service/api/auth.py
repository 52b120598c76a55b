"""Authorization of the admin routes by a bearer token."""

import secrets
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Depends
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from starlette.requests import Request
from starlette.responses import Response

from service.core.errors import AdminOffError, UnauthorizedError
from service.dispatch.search_service import service_of

# Only describes the token in /openapi.json. FastAPI would ask for it after it has read and parsed the body.
_described_token = HTTPBearer(auto_error=False, scheme_name="admin", description="The token of VITRINE_ADMIN_TOKEN.")


def require_admin(request: Request) -> None:
    """Refuse a request without the admin token.

    Raises:
        AdminOffError: No token is configured.
        UnauthorizedError: The request has no token, or a wrong one.
    """
    token = service_of(request).settings.admin_token
    if token is None:
        raise AdminOffError("the admin routes are off; set VITRINE_ADMIN_TOKEN to turn them on")
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not given.strip():
        raise UnauthorizedError("expected the header Authorization: Bearer TOKEN")
    if not secrets.compare_digest(given.strip().encode(), token.get_secret_value().encode()):
        raise UnauthorizedError("the token is wrong")


class AdminRoute(APIRoute):
    """A route that asks for the admin token before it reads anything else of a request."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return FastAPI's handler behind the question for the token."""
        handle = super().get_route_handler()

        async def handle_for_admin(request: Request) -> Response:
            require_admin(request)
            return await handle(request)

        return handle_for_admin


def admin_router(prefix: str, responses: dict[int | str, dict[str, Any]]) -> APIRouter:
    """Return a router of admin routes.

    Args:
        prefix: The beginning of their paths.
        responses: Descriptions of their answers besides 200, for /openapi.json.
    """
    return APIRouter(
        prefix=prefix, route_class=AdminRoute, dependencies=[Depends(_described_token)], responses=responses
    )
