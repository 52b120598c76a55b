"""The family of errors and its table."""

import inspect

import pytest

from service.core import errors
from service.core.errors import (
    PROBLEM_KINDS,
    NotReadyError,
    OverloadedError,
    QueryError,
    RequestError,
    ServiceError,
    SettingsError,
    UnauthorizedError,
    UnavailableError,
    problem_headers,
)

CLASSES = [one for _, one in inspect.getmembers(errors, inspect.isclass) if issubclass(one, ServiceError)]
PARENTS = {ServiceError, RequestError, UnavailableError, SettingsError}  # never answered as themselves


def test_every_answered_error_has_its_status() -> None:
    assert set(PROBLEM_KINDS) == set(CLASSES) - PARENTS


@pytest.mark.parametrize("error", PROBLEM_KINDS, ids=lambda error: error.__name__)
def test_blame_agrees_with_the_status(error: type[ServiceError]) -> None:
    status = PROBLEM_KINDS[error].status
    assert (400 <= status < 500) == issubclass(error, RequestError)
    assert (500 <= status < 600) == issubclass(error, UnavailableError)


def test_the_tree_in_the_docstring_is_complete() -> None:
    for error in CLASSES:
        assert error.__name__ in (errors.__doc__ or "")


def test_headers() -> None:
    assert problem_headers(UnauthorizedError()) == {"WWW-Authenticate": 'Bearer realm="admin"'}
    assert problem_headers(OverloadedError()) == problem_headers(NotReadyError()) == {"Retry-After": "1"}
    assert problem_headers(QueryError()) == {}
