"""The real service in processes of its own: one that speaks HTTP, and one for each version that it searches."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.common.children import children_of

# Runs `changes` in the process that speaks HTTP and in those that search.
_CHANGED = """
import sys
changes = {changes!r}
exec(changes)
from service.dispatch import version_process
main = "\\nfrom service.worker.search_process import main\\nmain()"
version_process._COMMAND = [sys.executable, "-c", changes + main]
from service.cli import app
app(prog_name="python -m service")
"""


@dataclass(frozen=True)
class Process:
    """A service in processes of its own.

    Attributes:
        popen: The one that speaks HTTP.
    """

    popen: "subprocess.Popen[str]"
    url: str
    log: Path

    def stop(self, sig: signal.Signals = signal.SIGTERM) -> None:
        """Tell it to stop."""
        self.popen.send_signal(sig)

    def search_pids(self) -> list[int]:
        """Of the processes that search."""
        return children_of(self.popen.pid)

    def resident_bytes(self) -> int:
        """Memory that they have now; what several have in common counts once."""
        return sum(_proportional_bytes(pid) for pid in (self.popen.pid, *self.search_pids()))

    def cpu_seconds(self) -> float:
        """Time of the processor that they have taken."""
        return sum(_cpu_seconds(pid) for pid in (self.popen.pid, *self.search_pids()))


def _proportional_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def environment(**variables: str) -> dict[str, str]:
    """This process's, with these settings and no others."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VITRINE_")}
    return {**kept, "PYTHONUNBUFFERED": "1", **variables}


@contextlib.contextmanager
def service_process(store: Path, folder: Path, changes: str | None = None, **variables: str) -> Iterator[Process]:
    """Start `python -m service serve` and wait until it is ready; kill it at the end if it still runs.

    Args:
        store: That it serves.
        folder: For its log.
        changes: Python that each of its processes runs first.
        variables: Of its environment.
    """
    log = folder / "log"
    program = ["-m", "service"] if changes is None else ["-c", _CHANGED.format(changes=changes)]
    with log.open("w") as stream:
        popen = subprocess.Popen(
            [sys.executable, *program, "serve", "--store", str(store), "--port", "0"],
            stderr=stream, text=True, env=environment(VITRINE_DEVICE="cpu", **variables),
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
    """The first group of a pattern, when the log has it."""
    give_up_at = time.monotonic() + 60
    while time.monotonic() < give_up_at:
        found = re.search(pattern, log.read_text())
        if found:
            return found[1]
        assert popen.poll() is None, log.read_text()
        time.sleep(0.02)
    raise AssertionError(f"no {pattern} in {log.read_text()}")
