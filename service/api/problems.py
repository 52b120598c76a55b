"""Renders errors as RFC 9457 problem details. It knows no request schema."""

import http
import json

from starlette.exceptions import HTTPException
from starlette.responses import Response

from service.api.problem_kinds import INVALID_REQUEST, PROBLEM_KINDS, problem_headers
from service.core.errors import ServiceError

PROBLEM_MEDIA_TYPE = "application/problem+json"

_DETAILS = {
    400: "the body cannot be read as JSON in UTF-8",
    404: "there is nothing at {path}",
    405: "{method} is not allowed at {path}",
    413: "the body is longer than this service takes",
}


class ProblemResponse(Response):
    """A response whose body is a problem detail."""

    media_type = PROBLEM_MEDIA_TYPE

    def __init__(
        self, status: int, type_uri: str, title: str, detail: str, headers: dict[str, str] | None = None
    ) -> None:
        content = _content(status, type_uri, title, detail)
        super().__init__(json.dumps(content).encode() + b"\n", status_code=status, headers=headers)


def problem_of(error: ServiceError) -> dict[str, str | int]:
    """Return the problem detail of an error, to be part of another answer."""
    kind = PROBLEM_KINDS[type(error)]
    return _content(kind.status, kind.type_uri, kind.title, str(error))


def _content(status: int, type_uri: str, title: str, detail: str) -> dict[str, str | int]:
    return {"type": type_uri, "title": title, "status": status, "detail": detail}


def answer_service_error(error: ServiceError) -> Response:
    """Return the answer to a request that the service refused or failed to answer."""
    kind = PROBLEM_KINDS[type(error)]
    return ProblemResponse(kind.status, kind.type_uri, kind.title, str(error), problem_headers(error))


def answer_invalid_request(detail: str) -> Response:
    """Return the answer to a request that does not fit the schema of its route."""
    kind = INVALID_REQUEST
    return ProblemResponse(kind.status, kind.type_uri, kind.title, detail)


def answer_http_error(path: str, method: str, error: HTTPException) -> Response:
    """Return the answer to a request that the framework refused: no such route, wrong method, body too long."""
    template = _DETAILS.get(error.status_code)
    detail = template.format(path=path, method=method) if template else str(error.detail)
    headers = dict(error.headers or {})
    if "GET" in headers.get("Allow", ""):
        headers["Allow"] += ", HEAD"
    return ProblemResponse(error.status_code, "about:blank", _title(error.status_code), detail, headers)


def about_blank_response(status: int, detail: str) -> Response:
    """Return the answer to what is wrong with HTTP itself, with the title of its status."""
    return ProblemResponse(status, "about:blank", _title(status), detail)


def internal_error_response() -> Response:
    """Return the answer to a request that raised an unexpected error, without its details."""
    return about_blank_response(500, "an unexpected error occurred inside the service; its log has the details")


def _title(status: int) -> str:
    return http.HTTPStatus(status).phrase
