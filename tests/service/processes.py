"""The real service in a process of its own."""

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


@dataclass(frozen=True)
class Process:
    """A service in a process of its own."""

    popen: "subprocess.Popen[str]"
    url: str
    log: Path

    def stop(self, sig: signal.Signals = signal.SIGTERM) -> None:
        """Tell it to stop."""
        self.popen.send_signal(sig)

    def resident_bytes(self) -> int:
        """Memory that it has now."""
        return int(Path(f"/proc/{self.popen.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def cpu_seconds(self) -> float:
        """Time of the processor that it has taken."""
        fields = Path(f"/proc/{self.popen.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def environment(**variables: str) -> dict[str, str]:
    """This process's, with these settings and no others."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VITRINE_")}
    return {**kept, "PYTHONUNBUFFERED": "1", **variables}


@contextlib.contextmanager
def service_process(store: Path, folder: Path, code: str | None = None, **variables: str) -> Iterator[Process]:
    """Start `python -m service serve` and wait until it is ready; kill it at the end if it still runs."""
    log = folder / "log"
    program = ["-m", "service"] if code is None else ["-c", code]
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
