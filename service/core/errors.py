"""All errors that the service raises on purpose, as one family of classes.

They know nothing of HTTP: `service/api/problem_kinds.py` gives each its status.

ServiceError
├── SettingsError        the process cannot start with these settings (exit code 2, never an HTTP answer)
├── DeviceLostError      the GPU of a worker process computes no more; the process ends (never an HTTP answer)
├── RequestError         the caller's mistake
│   ├── QueryError           the query is too long or unreadable, or its photo cannot be used
│   ├── NoPhotoSearchError   the served version cannot be searched by photo
│   ├── UnknownProductError  the served version has no such product
│   ├── NoPhotoError         the product has no photo that can be shown
│   ├── FilterError          a filter names no column, or does not fit its column
│   ├── AdminOffError        the admin routes are turned off
│   ├── JudgingOffError      no file for relevance labels is configured
│   ├── UnauthorizedError    the admin token is missing or wrong
│   ├── UnknownVersionError  the store has no such version
│   ├── VersionRefusedError  the version is damaged or not what its manifest says
│   ├── ConflictError        another change is under way, or there is nothing to go back to
│   └── ClientGoneError      the client hung up while its search waited
└── UnavailableError     a failure that is not the caller's and may pass
    ├── NotReadyError        no version is served, or its process was lost before it answered
    ├── OverloadedError      the queue is full
    ├── DeadlineError        a search was not answered within its deadline
    └── SearchFailedError    a search failed because of a bug; the log says how
"""


class ServiceError(Exception):
    """The parent of all errors of the service."""


class SettingsError(ServiceError):
    """The process cannot start with these settings.

    Attributes:
        faults: one sentence per fault, which names its variable.
    """

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


class DeviceLostError(ServiceError):
    """The GPU of a worker process computes no more in this process, which must end and be replaced."""


class RequestError(ServiceError):
    """The request cannot be fulfilled because of what the caller asked for."""


class QueryError(RequestError):
    """The query is too long, its photo cannot be used, or the model can read nothing of it."""


class NoPhotoSearchError(RequestError):
    """The served version cannot be searched by photo."""


class UnknownProductError(RequestError):
    """The served version has no product with this id."""


class NoPhotoError(RequestError):
    """The product has no photo in the configured folder, or its photo cannot be read."""


class FilterError(RequestError):
    """A filter names no column of the served version, or does not fit its column."""


class AdminOffError(RequestError):
    """The admin routes are turned off because no token is configured."""


class JudgingOffError(RequestError):
    """Relevance labels are not accepted because no file to store them is configured."""


class UnauthorizedError(RequestError):
    """The admin token is missing or wrong."""


class UnknownVersionError(RequestError):
    """The store has no version of this name."""


class VersionRefusedError(RequestError):
    """The version is damaged, or its contents do not agree with its manifest."""


class ConflictError(RequestError):
    """The version cannot be changed in the present state."""


class ClientGoneError(RequestError):
    """The client closed its connection before the answer was ready."""


class UnavailableError(ServiceError):
    """The service cannot answer now, which is not the caller's fault."""


class NotReadyError(UnavailableError):
    """No index version is served, its worker process was lost, or this process is about to stop."""


class OverloadedError(UnavailableError):
    """The queue has no room for another search."""


class DeadlineError(UnavailableError):
    """A search was not answered within its deadline."""


class SearchFailedError(UnavailableError):
    """A search failed inside the service; the log says how."""


def leaf_classes(parent: type[ServiceError]) -> list[type[ServiceError]]:
    """Return the error classes below `parent` that have no subclasses: those that are raised."""
    children = parent.__subclasses__()
    return [leaf for child in children for leaf in leaf_classes(child)] if children else [parent]
