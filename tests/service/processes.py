"""The real service in processes of its own: the HTTP process and a worker process for each version."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.common.children import children_of
from tests.service.waiting import wait_until

# Runs `changes` in the HTTP process and in the worker processes.
_CHANGED = """
import sys
changes = {changes!r}
exec(changes)
from service.dispatch import child_process
main = "\\nfrom service.worker.search_process import main\\nmain()"
child_process._COMMAND = [sys.executable, "-c", changes + main]
from service.cli import app
app(prog_name="python -m service")
"""


# A swap is answered when it is done, however busy the machine is.
_DEFAULTS = {"VITRINE_DEVICE": "cpu", "VITRINE_SWAP_WAIT_SECONDS": "600"}


@dataclass(frozen=True)
class Process:
    """A service in processes of its own.

    Attributes:
        popen: the HTTP process.
    """

    popen: "subprocess.Popen[str]"
    url: str
    log: Path

    def stop(self, sig: signal.Signals = signal.SIGTERM) -> None:
        """Send the HTTP process a signal to stop."""
        self.popen.send_signal(sig)

    def search_pids(self) -> list[int]:
        """Return the ids of the worker processes."""
        return children_of(self.popen.pid)

    def resident_bytes(self) -> int:
        """Return the memory of all processes; memory that they share counts once."""
        return sum(_proportional_bytes(pid) for pid in (self.popen.pid, *self.search_pids()))

    def cpu_seconds(self) -> float:
        """Return the processor time that all processes have used."""
        return sum(_cpu_seconds(pid) for pid in (self.popen.pid, *self.search_pids()))


def _proportional_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def environment(**variables: str) -> dict[str, str]:
    """Return the environment of this process with these settings of the service and no others."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VITRINE_")}
    return {**kept, "PYTHONUNBUFFERED": "1", **variables}


@contextlib.contextmanager
def service_process(store: Path, folder: Path, changes: str | None = None, **variables: str) -> Iterator[Process]:
    """Start `python -m service serve` and wait until it is ready; kill it at the end if it still runs.

    Args:
        store: the store that it serves.
        folder: the folder of its log.
        changes: Python code that each of its processes runs first.
        variables: environment variables.
    """
    log = folder / "log"
    program = ["-m", "service"] if changes is None else ["-c", _CHANGED.format(changes=changes)]
    with log.open("w") as stream:
        popen = subprocess.Popen(
            [sys.executable, *program, "serve", "--store", str(store), "--port", "0"],
            stderr=stream, text=True, env=environment(**{**_DEFAULTS, **variables}),
        )  # fmt: skip
    try:
        port = wait_for(log, popen, r"event=listening host=127\.0\.0\.1 port=(\d+)")
        wait_for(log, popen, "event=start outcome=(served)")
        yield Process(popen, f"http://127.0.0.1:{port}", log)
    finally:
        if popen.poll() is None:
            popen.kill()
        popen.wait(10)


def wait_for(log: Path, popen: "subprocess.Popen[str]", pattern: str) -> str:
    """Wait until the log of a process matches a pattern, and return the pattern's first group."""
    found: list[str] = []

    def matches() -> bool:
        has_ended = popen.poll() is not None
        match = re.search(pattern, log.read_text())
        assert match or not has_ended, f"the process ended, and its log has no {pattern}: {log.read_text()}"
        found.extend([match[1]] if match else [])
        return match is not None

    wait_until(matches, f"no {pattern} in {log}")
    return found[0]
