"""Error handling of all command lines: expected errors end a command with one sentence and no traceback."""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import typer

from artifacts.errors import ArtifactError

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

USER_ERROR_STATUS = 2


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
                typer.echo(f"Error: {error}", err=True)
                raise typer.Exit(USER_ERROR_STATUS) from error

        return wrapped

    return decorate
