"""Who may use the admin routes: whoever knows the token."""

import secrets

from starlette.requests import Request

from service.errors import AdminOffError, UnauthorizedError
from service.search_service import service_of


async def require_admin(request: Request) -> None:
    """Let a request with the right bearer token pass.

    Raises:
        AdminOffError: No token is configured.
        UnauthorizedError: The request has none, or a wrong one.
    """
    token = service_of(request).settings.admin_token
    if token is None:
        raise AdminOffError("the admin routes are off; set VITRINE_ADMIN_TOKEN to turn them on")
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not given.strip():
        raise UnauthorizedError("expected the header Authorization: Bearer TOKEN")
    if not secrets.compare_digest(given.strip().encode(), token.get_secret_value().encode()):
        raise UnauthorizedError("the token is wrong")
