"""The service under attack: its processes, its memory, its admin routes, and whether it answers."""

import asyncio
import os
import time
from dataclasses import dataclass
from pathlib import Path

import httpx

from artifacts.store import Store
from benchmarks.common.children import children_of
from benchmarks.common.measured_process import KIB, shared_out_memory

_SEARCH_PROGRAM = b"service.worker.search_process"
_PROBE_PAUSE_S = 0.1
_PROBE_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Target:
    """A running service that may be attacked.

    Attributes:
        pid: id of its main process.
        url: its address, without a path.
        http: a client of it that sends the admin token.
        store: the store that it serves from.
    """

    pid: int
    url: str
    http: httpx.AsyncClient
    store: Store

    def processes(self) -> list[int]:
        """Return the ids of the main process and of all processes below it."""
        found = [self.pid]
        for pid in found:  # grows while it is read, so that children of children are found
            found += children_of(pid) if Path(f"/proc/{pid}").exists() else []
        return found

    def search_processes(self) -> list[int]:
        """Return the ids of the processes that hold or load a version, the eldest first."""
        return sorted(pid for pid in self.processes() if _SEARCH_PROGRAM in _command(pid))

    def memory_mb(self) -> float:
        """Return the memory of all its processes in MB; memory that they share counts once."""
        total = 0
        for pid in self.processes():
            try:
                total += shared_out_memory(pid)
            except (OSError, StopIteration):  # the process has ended meanwhile
                continue
        return total * KIB / 1e6

    def signal_search_process(self, number: int) -> None:
        """Send a signal to the process that has held a version for longest."""
        os.kill(self.search_processes()[0], number)

    async def served(self) -> str | None:
        """Return the id of the served version; None if none is served."""
        version: str | None = (await self.http.get("/health")).json()["index_version"]
        return version

    async def seconds_until_it_answers(self, since: float, give_up_s: float) -> float:
        """Wait until the service says that it is ready and answers a search that no cache knows.

        Args:
            since: the time from which is counted, in seconds of the monotonic clock.
            give_up_s: seconds from now after which infinity is returned.
        """
        give_up_at = time.monotonic() + give_up_s
        while time.monotonic() < give_up_at:
            if await self._answers():
                return time.monotonic() - since
            await asyncio.sleep(_PROBE_PAUSE_S)
        return float("inf")

    async def _answers(self) -> bool:
        body = {"query": f"probe {time.monotonic_ns()}", "k": 1}
        try:
            answer = await self.http.post("/search", json=body, timeout=_PROBE_TIMEOUT_S)
            ready = await self.http.get("/ready", timeout=_PROBE_TIMEOUT_S)
        except httpx.TransportError:
            return False
        return answer.status_code == httpx.codes.OK and ready.status_code == httpx.codes.OK


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
