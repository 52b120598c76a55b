"""Requests with a body of JSON, from bytes to their endpoint in one step."""

from collections.abc import Iterable
from typing import Any, get_type_hints

from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.problems import answer_service_error
from service.core.errors import ServiceError
from service.http.headers import header_of


class Shortcut:
    """ASGI middleware: calls an endpoint `endpoint(body, request)` itself, with the body as a checked model.

    The framework holds a request against its routes, reads the media type as that of a mail, makes objects of the body,
    solves dependencies, checks the objects and keeps lists of what to close later: more than a third of what a search
    costs the event loop. It still does so for every request that cannot be read here, and says what is wrong with it.

    Args:
        app: The application.
        routes: Those of them that have such an endpoint are taken.
        max_bytes: Of a body; a longer one is left to the application.
    """

    def __init__(self, app: ASGIApp, routes: Iterable[BaseRoute], max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._routes = {
            route.path: (route, model)
            for route in routes
            if isinstance(route, APIRoute) and route.methods == {"POST"} and (model := _body_model(route)) is not None
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that can be read here, and pass all others on."""
        found = self._routes.get(scope.get("path", ""))
        if found is None or not self._is_readable(scope):
            await self._app(scope, receive, send)
            return
        route, model = found
        request = Request(scope, receive, send)
        try:
            content = await request.body()
        except ClientDisconnect:
            await self._app(scope, receive, send)
            return
        try:
            body = model.model_validate_json(content)
        except ValidationError:
            await self._app(scope, _again(content, receive), send)
            return
        scope["route"] = route
        try:
            response: Response = await route.endpoint(body, request)
        except ServiceError as error:
            response = answer_service_error(error)
        await response(scope, receive, send)

    def _is_readable(self, scope: Scope) -> bool:
        length = header_of(scope, b"content-length")
        return (
            scope["type"] == "http"
            and scope["method"] == "POST"
            and header_of(scope, b"content-type") == "application/json"
            and length.isdecimal()
            and int(length) <= self._max_bytes  # the server holds clients to it
        )


def _body_model(route: APIRoute) -> type[BaseModel] | None:
    """What the route's endpoint takes besides the request, where that is all."""
    hints: dict[str, Any] = get_type_hints(route.endpoint)
    taken = {name: kind for name, kind in hints.items() if name != "return"}
    if route.dependencies or list(taken) != ["body", "request"] or hints.get("return") is not Response:
        return None
    model: type[BaseModel] = taken["body"]
    return model


def _again(content: bytes, receive: Receive) -> Receive:
    """What gives a body that was received already, and then what comes after it."""
    given = False

    async def receive_again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": content, "more_body": False}

    return receive_again
