"""Errors as RFC 9457 problem details, whatever raised them."""

import http
import json

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from service.api.problem_kinds import INVALID_REQUEST, PROBLEM_KINDS, problem_headers
from service.api.validation import describe_body_faults
from service.core.errors import ServiceError

PROBLEM_MEDIA_TYPE = "application/problem+json"

_DETAILS = {
    400: "the body cannot be read as JSON in UTF-8",
    404: "there is nothing at {path}",
    405: "{method} is not allowed at {path}",
    413: "the body is longer than this service takes",
}


class ProblemResponse(Response):
    """An RFC 9457 answer."""

    media_type = PROBLEM_MEDIA_TYPE

    def __init__(
        self, status: int, type_uri: str, title: str, detail: str, headers: dict[str, str] | None = None
    ) -> None:
        content = _content(status, type_uri, title, detail)
        super().__init__(json.dumps(content).encode() + b"\n", status_code=status, headers=headers)


def problem_of(error: ServiceError) -> dict[str, str | int]:
    """The content of an error's answer, to stand inside of another answer."""
    kind = PROBLEM_KINDS[type(error)]
    return _content(kind.status, kind.type_uri, kind.title, str(error))


def add_problem_handlers(app: FastAPI) -> None:
    """Let every error that an application raises on purpose be answered as a problem."""
    app.add_exception_handler(ServiceError, _answer_service_error)
    app.add_exception_handler(RequestValidationError, _answer_validation_error)
    app.add_exception_handler(HTTPException, _answer_http_error)


def _content(status: int, type_uri: str, title: str, detail: str) -> dict[str, str | int]:
    return {"type": type_uri, "title": title, "status": status, "detail": detail}


async def _answer_service_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, ServiceError)
    return answer_service_error(error)


def answer_service_error(error: ServiceError) -> Response:
    """What the service refuses or fails to do."""
    kind = PROBLEM_KINDS[type(error)]
    return ProblemResponse(kind.status, kind.type_uri, kind.title, str(error), problem_headers(error))


async def _answer_validation_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    kind = INVALID_REQUEST
    return ProblemResponse(kind.status, kind.type_uri, kind.title, describe_body_faults(error.errors()))


async def _answer_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return answer_http_error(request.url.path, request.method, error)


def answer_http_error(path: str, method: str, error: HTTPException) -> Response:
    """What the framework itself refuses: no such route, wrong method, body too long."""
    template = _DETAILS.get(error.status_code)
    detail = template.format(path=path, method=method) if template else str(error.detail)
    title = http.HTTPStatus(error.status_code).phrase
    return ProblemResponse(error.status_code, "about:blank", title, detail, dict(error.headers or {}))


def internal_error_response() -> Response:
    """What is answered when the service itself breaks: nothing of the inside goes out."""
    title = http.HTTPStatus.INTERNAL_SERVER_ERROR.phrase
    return ProblemResponse(500, "about:blank", title, "something broke inside the service; its log says what")
