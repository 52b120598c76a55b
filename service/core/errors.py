"""The errors of the service, one family, and the one table of their status codes.

ServiceError
├── SettingsError        the process cannot start with these settings (exit code 2, never an answer)
├── RequestError         the caller's mistake
│   ├── QueryError           a query that is too long, a photo that is none, or what the model cannot read
│   ├── NoPhotoSearchError   the served version takes no photos as queries
│   ├── UnknownProductError  the served version has no such product
│   ├── NoPhotoError         the product has no photo that can be shown
│   ├── FilterError          a filter names no column, or does not fit its column
│   ├── AdminOffError        admin routes are off
│   ├── JudgingOffError      no file keeps labels
│   ├── UnauthorizedError    no token, or a wrong one
│   ├── UnknownVersionError  the store has no such version
│   ├── VersionRefusedError  the version is damaged or does not hold what it promises
│   ├── ConflictError        another change is under way, or there is nothing to go back to
│   └── ClientGoneError      the client hung up while its search waited
└── UnavailableError     the world's failure, perhaps over in a moment
    ├── NotReadyError        no version is served
    ├── OverloadedError      the queue is full
    ├── DeadlineError        a search waited for too long
    └── SearchFailedError    a search broke inside; the log says how
"""

from dataclasses import dataclass

RETRY_AFTER_SECONDS = 1


class ServiceError(Exception):
    """The service cannot do what was asked; the parent of all its errors."""


class SettingsError(ServiceError):
    """The process cannot start with these settings.

    Attributes:
        faults: One sentence per fault, each naming its variable.
    """

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


class RequestError(ServiceError):
    """The caller asked for something that cannot be had."""


class QueryError(RequestError):
    """The query is too long, its photo cannot be used, or it holds nothing that the model can read."""


class NoPhotoSearchError(RequestError):
    """The served version takes no photos as queries."""


class UnknownProductError(RequestError):
    """The served version has no product of this id."""


class NoPhotoError(RequestError):
    """The product has no photo here, or none that can be read."""


class FilterError(RequestError):
    """A filter names no column of the served version, or does not fit its column."""


class AdminOffError(RequestError):
    """Admin routes are off since no token is configured."""


class JudgingOffError(RequestError):
    """Labels cannot be given since no file is configured to keep them."""


class UnauthorizedError(RequestError):
    """The admin token is missing or wrong."""


class UnknownVersionError(RequestError):
    """The store has no version of this name."""


class VersionRefusedError(RequestError):
    """A version is damaged, or does not hold what its manifest promises."""


class ConflictError(RequestError):
    """The change cannot be made in the present state."""


class ClientGoneError(RequestError):
    """The client hung up; nobody reads the answer."""


class UnavailableError(ServiceError):
    """The service cannot answer now, through no fault of the caller."""


class NotReadyError(UnavailableError):
    """No index version is served, or the process is about to stop."""


class OverloadedError(UnavailableError):
    """More searches wait than the queue holds."""


class DeadlineError(UnavailableError):
    """A search waited longer than its deadline allows."""


class SearchFailedError(UnavailableError):
    """A search broke inside the service."""


@dataclass(frozen=True)
class ProblemKind:
    """How a class of error is answered (RFC 9457).

    Attributes:
        status: HTTP status code.
        name: Last part of the problem's type.
        title: What every problem of the kind has in common.
    """

    status: int
    name: str
    title: str

    @property
    def type_uri(self) -> str:
        """The problem's type."""
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
    ClientGoneError: ProblemKind(499, "client-gone", "The client hung up"),  # nginx's number; for metrics
    NotReadyError: ProblemKind(503, "not-ready", "The service is not ready"),
    OverloadedError: ProblemKind(503, "overloaded", "The service is overloaded"),
    DeadlineError: ProblemKind(503, "deadline", "The search took too long"),
    SearchFailedError: ProblemKind(500, "search-failed", "The search failed"),
}


def problem_headers(error: ServiceError) -> dict[str, str]:
    """Headers that go with an error's answer, besides its content type."""
    if isinstance(error, UnauthorizedError):
        return {"WWW-Authenticate": 'Bearer realm="admin"'}
    if PROBLEM_KINDS[type(error)].status == 503:
        return {"Retry-After": str(RETRY_AFTER_SECONDS)}
    return {}
