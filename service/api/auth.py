"""Authorization of the admin routes by a bearer token."""

import secrets
from typing import Annotated

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import Request

from service.core.errors import AdminOffError, UnauthorizedError
from service.dispatch.search_service import service_of

_bearer = HTTPBearer(auto_error=False, scheme_name="admin", description="The token of VITRINE_ADMIN_TOKEN.")


async def require_admin(
    request: Request, given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> None:
    """Refuse a request without the admin token.

    Raises:
        AdminOffError: No token is configured.
        UnauthorizedError: The request has no token, or a wrong one.
    """
    token = service_of(request).settings.admin_token
    if token is None:
        raise AdminOffError("the admin routes are off; set VITRINE_ADMIN_TOKEN to turn them on")
    if given is None or not given.credentials.strip():
        raise UnauthorizedError("expected the header Authorization: Bearer TOKEN")
    if not secrets.compare_digest(given.credentials.strip().encode(), token.get_secret_value().encode()):
        raise UnauthorizedError("the token is wrong")
