"""A fast route for POST requests with a JSON body: from the bytes of the body to the endpoint in one step.

FastAPI matches a request against its routes, parses the media type with the parser for mail headers, makes Python
objects of the JSON, resolves dependencies, validates the objects and keeps lists of what to close later: more than a
third of what a search costs the event loop.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
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

_JSON = "application/json"


@dataclass(frozen=True)
class JsonEndpoint:
    """A route that the fast JSON route can answer, and the model of its body."""

    route: APIRoute
    model: type[BaseModel]


class FastJsonRoute:
    """ASGI middleware: validates a JSON body straight from its bytes and calls the endpoint itself.

    Every request that cannot be answered this way is passed on: FastAPI answers it, or says what is wrong with it.

    Args:
        app: The application.
        endpoints: The endpoints to call, by path; see `json_endpoints`.
    """

    def __init__(self, app: ASGIApp, endpoints: Mapping[str, JsonEndpoint]) -> None:
        self._app = app
        self._endpoints = endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request with a valid JSON body, and pass all others on."""
        endpoint = self._endpoints.get(scope.get("path", ""))
        if endpoint is None or not _is_json_post(scope):
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive, send)
        try:
            content = await request.body()
        except ClientDisconnect:
            await self._app(scope, receive, send)
            return
        try:
            body = endpoint.model.model_validate_json(content)
        except ValidationError:
            await self._app(scope, _replayed(content, receive), send)
            return
        scope["route"] = endpoint.route
        try:
            response: Response = await endpoint.route.endpoint(body, request)
        except ServiceError as error:
            response = answer_service_error(error)
        await response(scope, receive, send)


def json_endpoints(routes: Iterable[BaseRoute], paths: Iterable[str]) -> dict[str, JsonEndpoint]:
    """Return the endpoints of these paths for `FastJsonRoute`.

    Raises:
        ValueError: A path has no POST route, or its endpoint cannot be called as `endpoint(body, request)`.
    """
    posts = {route.path: route for route in routes if isinstance(route, APIRoute) and route.methods == {"POST"}}
    return {path: _json_endpoint(path, posts.get(path)) for path in paths}


def _json_endpoint(path: str, route: APIRoute | None) -> JsonEndpoint:
    if route is None:
        raise ValueError(f"the fast JSON route cannot answer {path}: there is no such route with the method POST")
    hints: dict[str, Any] = get_type_hints(route.endpoint)
    parameters = [name for name in hints if name != "return"]
    if route.dependencies or parameters != ["body", "request"] or hints.get("return") is not Response:
        raise ValueError(
            f"the fast JSON route cannot answer {path}: its endpoint {route.endpoint.__name__} takes {parameters} and "
            f"has {len(route.dependencies)} dependencies: expected (body: a model, request: Request) -> Response "
            "without dependencies"
        )
    return JsonEndpoint(route, hints["body"])


def _is_json_post(scope: Scope) -> bool:
    """Decide by the headers; a body of unknown length is left to FastAPI, which answers when it grows too long."""
    if scope["type"] != "http" or scope["method"] != "POST" or not header_of(scope["headers"], b"content-length"):
        return False
    media_type = header_of(scope["headers"], b"content-type")
    return media_type == _JSON or media_type.partition(";")[0].strip().lower() == _JSON


def _replayed(content: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives a body which was read already, and then what comes after it."""
    is_replayed = False

    async def receive_replayed() -> Message:
        nonlocal is_replayed
        if is_replayed:
            return await receive()
        is_replayed = True
        return {"type": "http.request", "body": content, "more_body": False}

    return receive_replayed
