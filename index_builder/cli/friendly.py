"""How commands of the index builder end when something is wrong: with one sentence, never a traceback."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

import typer

from artifacts.cli import friendly_errors, printable
from artifacts.errors import DamagedError
from index_builder.core.errors import GateError, IndexBuilderError, OptionError, VerificationError
from knn import KnnError
from lexical.errors import LexicalError

FAILED_CHECK_STATUS = 1
_PACKAGES_OF_VITRINE = ("artifacts", "index_builder", "knn", "lexical", "towers")

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def friendly(command: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Decorate a command so that a user's mistake, or a package that is not installed, ends it with status 2."""
    # OSError: a store that may not be written to, a full disk.
    return friendly_errors(IndexBuilderError, KnnError, LexicalError, OSError)(_name_missing_package(command))


@contextmanager
def failed_checks_exit() -> Iterator[None]:
    """End the command with status 1 and a sentence where a version or store failed a check."""
    try:
        yield
    except (GateError, VerificationError, DamagedError) as error:
        typer.echo(f"Error: {printable(str(error))}", err=True)
        raise typer.Exit(FAILED_CHECK_STATUS) from error


def _name_missing_package(command: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    @functools.wraps(command)
    def wrapped(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        try:
            return command(*args, **kwargs)
        except ModuleNotFoundError as error:
            package = (error.name or "").split(".")[0]
            if not package or package in _PACKAGES_OF_VITRINE:
                raise
            raise OptionError(
                f"this command needs the package {package}, which is not installed; install it with: "
                "pip install 'vitrine[cpu,build]' (or gpu instead of cpu)"
            ) from error

    return wrapped
