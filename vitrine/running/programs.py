"""Programs of Vitrine as processes of their own."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import vitrine
from artifacts.child_process import end_with_parent
from vitrine.running.interrupts import check_interrupted, interrupts_deferred

_POLL_SECONDS = 0.2
_STOP_SECONDS = 30.0  # the service finishes its searches
_ROOT = Path(vitrine.__file__).parents[1]


def program_environment() -> dict[str, str]:
    """Return an environment in which `python -m` finds the programs of this installation, in whatever folder."""
    before = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(_ROOT), *([before] if before else [])])}


def program_command(arguments: tuple[str, ...]) -> list[str]:
    """Return the command that runs a program; -P: a folder in the current one may have the name of a program."""
    return [sys.executable, "-P", "-m", *arguments]


def start_program(
    arguments: tuple[str, ...], log: Path, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a program that writes to a log, which is begun anew.

    It is in a session of its own, so that Ctrl-C reaches it only through `stop_program`.

    Args:
        arguments: the arguments of `python -m`.
        log: the file for all that it prints.
        environment: further variables.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as file, interrupts_deferred():
        return subprocess.Popen(
            program_command(arguments),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**program_environment(), **(environment or {})},
            start_new_session=True,
            preexec_fn=end_with_parent,
        )


def wait_for(process: subprocess.Popen[bytes]) -> int:
    """Wait until a program has ended, and return its status.

    Raises:
        KeyboardInterrupt: this process was interrupted.
    """
    while True:
        check_interrupted()
        try:
            return process.wait(_POLL_SECONDS)
        except subprocess.TimeoutExpired:
            continue


def stop_program(process: subprocess.Popen[bytes]) -> None:
    """Ask a program to end, with all processes that it started, and wait; end it where it does not."""
    if process.poll() is None:
        _signal(process, signal.SIGTERM)
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        _signal(process, signal.SIGKILL)
        process.wait()


def last_words(log: Path) -> str:
    """Return the sentence that a program ended with: its last error, or else its last line."""
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith("error: ")]
    said = errors[-1].partition(": ")[2] if errors else lines[-1] if lines else "it said nothing"
    return said.rstrip(".")


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        process.poll()
