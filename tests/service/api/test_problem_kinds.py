"""The table of statuses for the errors of the service."""

import pytest

from service.api.problem_kinds import PROBLEM_KINDS, problem_headers
from service.core.errors import (
    NotReadyError,
    OverloadedError,
    QueryError,
    RequestError,
    ServiceError,
    UnauthorizedError,
    UnavailableError,
    leaf_classes,
)


def test_every_answered_error_has_its_status() -> None:
    assert set(PROBLEM_KINDS) == {*leaf_classes(RequestError), *leaf_classes(UnavailableError)}


@pytest.mark.parametrize("error", PROBLEM_KINDS, ids=lambda error: error.__name__)
def test_blame_agrees_with_the_status(error: type[ServiceError]) -> None:
    status = PROBLEM_KINDS[error].status
    assert (400 <= status < 500) == issubclass(error, RequestError)
    assert (500 <= status < 600) == issubclass(error, UnavailableError)


def test_headers() -> None:
    assert problem_headers(UnauthorizedError()) == {"WWW-Authenticate": 'Bearer realm="admin"'}
    assert problem_headers(OverloadedError()) == problem_headers(NotReadyError()) == {"Retry-After": "1"}
    assert problem_headers(QueryError()) == {}
