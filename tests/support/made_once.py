"""Folders that are made once in a test run and shared by all tests, also by tests in parallel processes."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from artifacts.atomic import new_folder
from artifacts.locks import locked

_WAIT_SECONDS = 250.0  # for another process that makes the folder; less than the timeout of a test
_root: list[Path] = []


def use_root(temporary: pytest.TempPathFactory) -> None:
    """Put the folders into the temporary folder of the test run, which parallel processes have in common."""
    base = temporary.getbasetemp()
    _root[:] = [(base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "made-once"]
    _root[0].mkdir(exist_ok=True)


def made_once(name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder that the first caller of the test run makes. Its files must not be changed.

    Args:
        name: the folder's name; callers of the same name get the same folder.
        make: fills the folder that it is given.
    """
    path = _root[0] / name
    with locked(_root[0] / f".{name}.lock", _WAIT_SECONDS):
        if not path.is_dir():
            with new_folder(path) as folder:
                make(folder)
    return path
