"""Headers read from the raw list of a request: Starlette's mapping costs more to build than what is read from it."""

from collections.abc import Iterable

Headers = Iterable[tuple[bytes, bytes]]


def header_of(headers: Headers, name: bytes) -> str:
    """Return the first header of this lower-case name, or an empty text when there is none."""
    for key, value in headers:
        if key == name:
            return value.decode("latin-1")
    return ""
