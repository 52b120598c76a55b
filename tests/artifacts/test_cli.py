"""A user's mistake ends a command with one sentence and status 2; our own mistakes keep their traceback."""

import pytest
import typer
from typer.testing import CliRunner

from artifacts.cli import USER_ERROR_STATUS, friendly_errors, printable
from artifacts.errors import ArtifactError, DamagedError, FormatError, MismatchError, StoreError


class RecipeError(Exception):
    pass


ERRORS = {
    "damaged": DamagedError("x is missing"),
    "format": FormatError("x lacks the column y"),
    "mismatch": MismatchError("x and y do not belong together"),
    "store": StoreError("no such version"),
    "exists": FileExistsError("x exists already"),
    "own": RecipeError("a recipe that is none"),
    "bug": KeyError("bug"),
}

app = typer.Typer()


@app.command()
@friendly_errors(RecipeError)
def command(what: str, count: int = 3) -> None:
    """Do what is said."""
    if what in ERRORS:
        raise ERRORS[what]
    typer.echo(f"{what} {count}")


@pytest.mark.parametrize("what", ["damaged", "format", "mismatch", "store", "exists", "own"])
def test_mistakes_end_in_one_sentence(what: str) -> None:
    result = CliRunner().invoke(app, [what])
    assert result.exit_code == USER_ERROR_STATUS == 2
    assert result.stderr == f"Error: {ERRORS[what]}\n"
    assert result.stdout == ""
    assert isinstance(result.exception, SystemExit)


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("prix €, 😀 and \\n", "prix €, 😀 and \\n"),
        ("two\nlines", "two lines"),
        ("column \x1b[2J\x00\u202e is odd", r"column \x1b[2J\x00\u202e is odd"),
        (f"column {'x' * 3000}y is odd", f"column {'x' * 100}...{'x' * 19}y is odd"),
    ],
)
def test_what_a_message_quotes_does_no_harm_to_a_terminal(message: str, shown: str) -> None:
    assert printable(message) == shown


def test_a_message_that_nobody_would_read_is_cut() -> None:
    shown = printable(" ".join(map(str, range(10_000))))
    assert len(shown) < 1_900 and shown.startswith("0 1 2") and shown.endswith(" 9999") and " ... " in shown


def test_bugs_are_not_hidden() -> None:
    result = CliRunner().invoke(app, ["bug"])
    assert result.exception is ERRORS["bug"]
    assert result.exit_code == 1


def test_a_good_command_is_left_alone() -> None:
    result = CliRunner().invoke(app, ["fine", "--count", "4"])
    assert (result.exit_code, result.stdout) == (0, "fine 4\n")


def test_help_is_still_the_commands_own() -> None:
    result = CliRunner().invoke(app, ["--help"])
    assert "Do what is said." in result.stdout
    assert "--count" in result.stdout


def test_without_kinds_only_shared_errors_are_caught() -> None:
    @friendly_errors()
    def plain() -> None:
        raise RecipeError

    with pytest.raises(RecipeError):
        plain()


def test_all_errors_of_the_formats_are_of_one_family() -> None:
    assert all(issubclass(kind, ArtifactError) for kind in (DamagedError, FormatError, MismatchError, StoreError))
