"""The table of HTTP statuses and problem types (RFC 9457) for the errors of the service."""

from dataclasses import dataclass

from service.core.errors import (
    AdminOffError,
    ClientGoneError,
    ConflictError,
    DeadlineError,
    FilterError,
    JudgingOffError,
    NoPhotoError,
    NoPhotoSearchError,
    NotReadyError,
    OverloadedError,
    QueryError,
    SearchFailedError,
    ServiceError,
    UnauthorizedError,
    UnknownProductError,
    UnknownVersionError,
    VersionRefusedError,
)

RETRY_AFTER_SECONDS = 1


@dataclass(frozen=True)
class ProblemKind:
    """How one class of error is answered.

    Attributes:
        status: HTTP status code.
        name: Last part of the problem type's URN.
        title: Summary that is the same for every problem of this kind.
    """

    status: int
    name: str
    title: str

    @property
    def type_uri(self) -> str:
        """The URN of the problem type."""
        return f"urn:problem-type:vitrine:{self.name}"


INVALID_REQUEST = ProblemKind(422, "invalid-request", "The request is not valid")

PROBLEM_KINDS: dict[type[ServiceError], ProblemKind] = {
    QueryError: INVALID_REQUEST,
    NoPhotoSearchError: ProblemKind(422, "no-photo-search", "The served version takes no photos as queries"),
    UnknownProductError: ProblemKind(404, "unknown-product", "The served version has no such product"),
    NoPhotoError: ProblemKind(404, "no-photo", "The product has no photo that can be shown"),
    FilterError: ProblemKind(422, "invalid-filter", "A filter is not valid"),
    AdminOffError: ProblemKind(404, "admin-off", "The admin routes are off"),
    JudgingOffError: ProblemKind(404, "judging-off", "Judging is off"),
    UnauthorizedError: ProblemKind(401, "unauthorized", "The admin token is missing or wrong"),
    UnknownVersionError: ProblemKind(404, "unknown-version", "The store has no such version"),
    VersionRefusedError: ProblemKind(422, "version-refused", "The version cannot be served"),
    ConflictError: ProblemKind(409, "conflict", "The change cannot be made now"),
    ClientGoneError: ProblemKind(
        499, "client-gone", "The client hung up"
    ),  # nginx's status for this; only metrics see it
    NotReadyError: ProblemKind(503, "not-ready", "The service is not ready"),
    OverloadedError: ProblemKind(503, "overloaded", "The service is overloaded"),
    DeadlineError: ProblemKind(503, "deadline", "The search took too long"),
    SearchFailedError: ProblemKind(500, "search-failed", "The search failed"),
}


def problem_headers(error: ServiceError) -> dict[str, str]:
    """Return the headers of an error's answer, besides its content type."""
    if isinstance(error, UnauthorizedError):
        return {"WWW-Authenticate": 'Bearer realm="admin"'}
    if PROBLEM_KINDS[type(error)].status == 503:
        return {"Retry-After": str(RETRY_AFTER_SECONDS)}
    return {}
