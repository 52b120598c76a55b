"""Headers of a request as they came: on the hot path Starlette's mapping costs more than what is read from it."""

from starlette.types import Scope


def header_of(scope: Scope, name: bytes) -> str:
    """The first header of this name, which is in small letters; empty where there is none."""
    for key, value in scope["headers"]:
        if key == name:
            content: bytes = value
            return content.decode("latin-1")
    return ""
