"""The worker processes of this process, as the operating system sees them: started, waited for, and killed."""

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from service.core.logs import EventLog
from service.core.settings import environment_without_settings

_log = EventLog(__name__)
_COMMAND = [sys.executable, "-m", "service.worker.search_process"]


@dataclass(frozen=True)
class Child:
    """A process that was started.

    Attributes:
        pid: its process id.
        wait: blocks until it has ended and returns its exit code, or until so many seconds have passed and returns
            None; it takes None for no limit.
        kill: ends it by force.
    """

    pid: int
    wait: Callable[[float | None], int | None]
    kill: Callable[[], None]

    def end(self, grace_seconds: float = 0.0) -> None:
        """Kill the process unless it ends by itself in time, and wait in the background until it has ended.

        Otherwise it would stay behind as a zombie. How it ended is logged.
        """
        if not grace_seconds:
            self.kill()
        threading.Thread(target=self._wait_for_end, args=(grace_seconds,), name="vitrine-end", daemon=True).start()

    def _wait_for_end(self, grace_seconds: float) -> None:
        code = self.wait(grace_seconds) if grace_seconds else None
        if code is None:
            self.kill()
            self.wait(None)
        how = "killed by the service" if code is None else f"ended {describe_exit(code)}"
        _log.info("search_process_ended", pid=self.pid, how=how)


class Children:
    """Starts worker processes and knows which of them have not ended. Any thread may call its methods."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self, config: str, inherited: Sequence[int]) -> Child:
        """Start a worker process.

        Args:
            config: its configuration, as JSON.
            inherited: the file descriptors that it inherits.
        """
        # The configuration holds all settings that the worker needs.
        process = subprocess.Popen([*_COMMAND, config], pass_fds=inherited, env=environment_without_settings())
        with self._lock:
            self._running = [*(earlier for earlier in self._running if earlier.poll() is None), process]

        def wait(seconds: float | None) -> int | None:
            with suppress(subprocess.TimeoutExpired):
                return process.wait(seconds)
            return None

        return Child(process.pid, wait, process.kill)

    def kill(self) -> None:
        """End all by force, so that none outlives this process: one that is stopped would not notice its end."""
        with self._lock:
            for process in self._running:
                process.kill()


def describe_exit(code: int | None) -> str:
    """Return how a process ended, as a clause; None stands for one that has closed its connection but not ended."""
    if code is None:
        return "its connection"
    if code < 0:
        name = signal.Signals(-code).name
        return f"by {name}" + (", perhaps because memory ran out" if name == "SIGKILL" else "")
    return f"with exit code {code}"
