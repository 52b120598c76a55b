"""Load on a service by wrk, which is written in C and takes little of the cores that it shares with the service."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from artifacts.records import Record

SCRIPT = Path(__file__).parent / "wrk.lua"
WARM_UP_S = 1
WARM_UP_SHARE = 20  # of the requests, one in so many: those before the first, which were sent before if any were


class LoadError(Exception):
    """wrk is not there, or a request had no good answer."""


class Load(Record):
    """What wrk measured of one run.

    Latencies are counted as wrk does: one that is longer than twice what a connection's turn took on average counts
    again for the requests that it kept from being sent, so that slow answers are not hidden by waiting for them.
    """

    requests: int  # that were answered
    seconds: float
    failed: int  # refused, broken, or answered with an error
    mean_ms: float
    p50_ms: float
    p99_ms: float

    @property
    def per_s(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds


@dataclass(frozen=True)
class Requests:
    """A file of requests, one a line: METHOD PATH BODY.

    Attributes:
        path: of the file.
        count: lines in it.
        distinct: whether no line comes twice.
    """

    path: Path
    count: int
    distinct: bool = True


def find_wrk() -> str:
    """Where wrk is.

    Raises:
        LoadError: It is not installed.
    """
    found = shutil.which("wrk")
    if found is None:
        raise LoadError("wrk is not installed; it makes the load: apt-get install wrk")
    return found


def run_load(url: str, requests: Requests, *, connections: int, seconds: int, first: int = 0) -> Load:
    """Send requests as fast as they are answered, after a short warm-up.

    Args:
        url: of the service, without a path.
        requests: what is sent.
        connections: that each wait for their answer before they send again; all on one thread of wrk.
        seconds: how long.
        first: how many of the requests to leave out; they begin again after the last.

    Raises:
        LoadError: There is no wrk, it failed, a request failed, or requests that should be distinct were sent twice.
    """
    _run_wrk(url, requests, connections, WARM_UP_S, first - requests.count // WARM_UP_SHARE)
    load = _run_wrk(url, requests, connections, seconds, first)
    if requests.distinct and load.requests > requests.count:
        raise LoadError(
            f"{load.requests:,} requests were answered and only {requests.count:,} are different; take less time"
        )
    return load


def read_load(output: str) -> Load:
    """The record at the end of wrk's output.

    Raises:
        LoadError: It is not there, or requests failed.
    """
    try:
        load = Load.model_validate_json(output.strip().rpartition("\n")[2])
    except ValidationError as error:
        raise LoadError(f"wrk told no result: {output.strip()[-500:]!r}") from error
    if load.failed or not load.requests:
        raise LoadError(f"{load.failed:,} requests failed and {load.requests:,} were answered")
    return load


def _run_wrk(url: str, requests: Requests, connections: int, seconds: int, first: int) -> Load:
    options = ["--threads", "1", "--connections", connections, "--duration", f"{seconds}s", "--timeout", "10s"]
    command = [find_wrk(), *options, "--script", SCRIPT, url, "--", requests.path, first % requests.count]
    ran = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        raise LoadError(f"wrk exited with {ran.returncode}: {(ran.stderr or ran.stdout).strip()}")
    return read_load(ran.stdout)
