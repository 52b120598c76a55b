"""Error handling of all command lines: expected errors end a command with one sentence and no traceback."""

import functools
import re
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import typer

from artifacts.errors import ArtifactError

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

USER_ERROR_STATUS = 2
_LONG_WORD = re.compile(r"[^\s/\\]{300,}")  # a folder's name has at most 255 bytes
_MOST_CHARACTERS = 1900


def printable(message: str) -> str:
    """Return a message that may quote names and values of any kind as one line that a terminal can show.

    Control characters are escaped, and what is too long to be read is cut.
    """
    line = "".join(
        character if character.isprintable() else ascii(character)[1:-1] for character in " ".join(message.splitlines())
    )
    line = _LONG_WORD.sub(lambda word: f"{word[0][:100]}...{word[0][-20:]}", line)
    return line if len(line) <= _MOST_CHARACTERS else f"{line[: _MOST_CHARACTERS - 500]} ... {line[-400:]}"


def friendly_errors(
    *kinds: type[Exception],
) -> Callable[[Callable[Parameters, Result]], Callable[Parameters, Result]]:
    """Return a decorator that ends a command on an ArtifactError or one of `kinds` with its message and status 2."""

    caught: tuple[type[Exception], ...] = (ArtifactError, FileExistsError, *kinds)

    def decorate(command: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
        @functools.wraps(command)
        def wrapped(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
            try:
                return command(*args, **kwargs)
            except caught as error:
                typer.echo(f"Error: {printable(str(error))}", err=True)
                raise typer.Exit(USER_ERROR_STATUS) from error

        return wrapped

    return decorate
