"""Headers read from the raw list of a request: Starlette's mapping costs more to build than what is read from it."""

from starlette.types import Scope


def header_of(scope: Scope, name: bytes) -> str:
    """Return the first header of this lower-case name, or an empty text when there is none."""
    for key, value in scope["headers"]:
        if key == name:
            content: bytes = value
            return content.decode("latin-1")
    return ""
