"""Locks between processes."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from artifacts.errors import StoreError
from artifacts.locks import is_locked, locked


@pytest.fixture(params=["file", "folder"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Something to lock."""
    path = tmp_path / "place"
    if request.param == "folder":
        path.mkdir()
    else:
        path.write_text("")
    return path


def test_one_holder_at_a_time(place: Path) -> None:
    assert not is_locked(place)
    with locked(place, 0):
        assert is_locked(place)
        with pytest.raises(StoreError) as caught, locked(place, 0):
            pytest.fail("two hold it")
        assert str(caught.value) == f"another process has held {place} for 0 s; wait for it, then try again"
    assert not is_locked(place)
    with locked(place, 0):
        pass


def test_an_error_gives_the_lock_back(place: Path) -> None:
    with pytest.raises(ZeroDivisionError), locked(place, 0):
        raise ZeroDivisionError
    assert not is_locked(place)


def test_a_file_that_is_not_there_is_made(tmp_path: Path) -> None:
    with locked(tmp_path / "new", 0):
        assert (tmp_path / "new").is_file()


def test_a_folder_keeps_its_lock_under_another_name(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    with locked(tmp_path / "one", 0):
        (tmp_path / "one").rename(tmp_path / "other")
        assert is_locked(tmp_path / "other")


def test_a_kill_gives_the_lock_back(tmp_path: Path) -> None:
    program = (
        "import pathlib, sys, time\n"
        "from artifacts.locks import locked\n"
        "with locked(pathlib.Path(sys.argv[1]), 0):\n"
        "    print('held', flush=True)\n"
        "    time.sleep(60)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "lock")]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        assert is_locked(tmp_path / "lock")
        holder.send_signal(signal.SIGKILL)
    started_at = time.monotonic()
    with locked(tmp_path / "lock", 10):
        assert time.monotonic() - started_at < 5
