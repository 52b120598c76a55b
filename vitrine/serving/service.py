"""Starting the search service, waiting until it is ready, and stopping it."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from vitrine.errors import UpError
from vitrine.running.interrupts import check_interrupted
from vitrine.running.programs import last_words, start_program, stop_program, wait_for
from vitrine.steps.request import Work

HOST = "127.0.0.1"
_READY_SECONDS = 300.0  # a large index is read from disk
_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class RunningService:
    """A service that is ready.

    Attributes:
        url: its address.
        process: its process.
        log: what it prints.
    """

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def wait(self) -> None:
        """Wait until it ends.

        Raises:
            UpError: it ended by itself.
        """
        wait_for(self.process)
        raise _ended(self.process, self.log)


def check_port(port: int) -> None:
    """Refuse a port on which another program listens.

    Raises:
        UpError: the port is in use, or may not be used.
    """
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError as error:
            raise UpError(
                f"port {port} cannot be used ({error.strerror}); stop what listens there or give --port"
            ) from error


@contextmanager
def running_service(work: Work, shop: Path, port: int) -> Iterator[RunningService]:
    """Start a service over the store of a work folder; it is stopped when the block is left.

    Raises:
        UpError: it ended, or was not ready in time.
    """
    log = work.logs / "service.log"
    arguments = ("service", "serve", "--store", str(work.store), "--host", HOST, "--port", str(port))
    process = start_program(arguments, log, {"VITRINE_PHOTOS": str(shop)})
    try:
        url = f"http://{HOST}:{port}"
        _wait_until_ready(url, process, log)
        yield RunningService(url, process, log)
    finally:
        stop_program(process)


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    give_up_at = time.monotonic() + _READY_SECONDS
    with httpx.Client(base_url=url, trust_env=False) as client:
        while not _is_ready(client):
            check_interrupted()
            if process.poll() is not None:
                raise _ended(process, log)
            if time.monotonic() >= give_up_at:
                raise UpError(f"the service was not ready after {_READY_SECONDS:.0f} s: {last_words(log)} (log: {log})")
            time.sleep(_POLL_SECONDS)


def _is_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/ready").is_success
    except httpx.TransportError:
        return False


def _ended(process: subprocess.Popen[bytes], log: Path) -> UpError:
    return UpError(f"the service ended with status {process.poll()}: {last_words(log)} (log: {log})")
