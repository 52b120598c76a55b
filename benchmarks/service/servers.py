"""Start the services that bench-service compares as processes, wait until they are ready, and stop them."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from artifacts.store import Store
from benchmarks.common.children import children_of
from benchmarks.common.measured_process import ROOT
from service.core.settings import ENV_PREFIX, variable_name

ADMIN_TOKEN = secrets.token_hex(16)
_START_TIMEOUT_S = 900.0  # enough to verify and load 3.38 million products, and for txtai to index 100,000
_STOP_S = 60.0


class ServerError(Exception):
    """A service did not become ready in time or ended by itself."""


@dataclass(frozen=True)
class Server:
    """A running service.

    Attributes:
        url: URL of the service, without a path.
        pid: id of its main process.
        log: file of its output.
    """

    url: str
    pid: int
    log: Path

    def pids(self) -> list[int]:
        """Return the ids of its main process and of the child processes."""
        return [self.pid, *children_of(self.pid)]


@contextmanager
def our_server(store: Store, version: str, log: Path, settings: Mapping[str, object]) -> Iterator[Server]:
    """Run Vitrine's service with an index version until the block ends.

    Args:
        store: the store of the version, which is published there.
        version: id of the version.
        log: file of the service's output.
        settings: values of settings by field name; other settings have their defaults.
    """
    store.publish(version)
    given = {"admin_token": ADMIN_TOKEN, "swap_wait_seconds": 3600, **settings}
    variables = {variable_name(name): str(value) for name, value in given.items()}
    with started(["service", "serve", "--store", store.path], "/ready", log, variables) as server:
        yield server


@contextmanager
def started(
    program: Sequence[object], ready: str, log: Path, variables: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """Run a Python module that is a service until the block ends.

    Args:
        program: the module and its options; ``--port N`` is added.
        ready: path that it answers with 200 once it is ready.
        log: file of its output.
        variables: environment variables to add.

    Raises:
        ServerError: it ended before it was ready, or was not ready after 15 minutes.
    """
    port = _free_port()
    # Settings in this shell's environment, meant for another service, must not apply here.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ENV_PREFIX)}
    environment = {**inherited, **(variables or {})}
    command = [sys.executable, "-m", *map(str, program), "--port", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        server = Server(f"http://127.0.0.1:{port}", process.pid, log)
        _wait(process, f"{server.url}{ready}", log)
        yield server
    finally:
        _stop(process)


def _wait(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    give_up_at = time.monotonic() + _START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < give_up_at:
        try:
            if httpx.get(url, timeout=10).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    output = log.read_text(encoding="utf-8", errors="replace").strip()[-1000:]
    raise ServerError(f"{url} is not answered with 200; {log} ends with: {output or 'nothing'}")


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
