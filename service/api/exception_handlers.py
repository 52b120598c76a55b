"""The exception handlers of the application: every error that a request raises on purpose becomes a problem detail."""

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from service.api.problems import answer_http_error, answer_invalid_request, answer_service_error
from service.api.validation import describe_body_faults
from service.core.errors import ServiceError


def add_exception_handlers(app: FastAPI) -> None:
    """Answer the service's, FastAPI's and Starlette's errors with problem details."""
    app.add_exception_handler(ServiceError, _handle_service_error)
    app.add_exception_handler(RequestValidationError, _handle_validation_error)
    app.add_exception_handler(HTTPException, _handle_http_error)


async def _handle_service_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, ServiceError)
    return answer_service_error(error)


async def _handle_validation_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return answer_invalid_request(describe_body_faults(error.errors()))


async def _handle_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if isinstance(error.__cause__, RecursionError):
        return answer_invalid_request("the body is nested too deep to be read: expected a few levels of JSON")
    return answer_http_error(request.url.path, request.method, error)
