"""Load tests of a service with wrk.

wrk is written in C and uses little processor time of the cores that it shares with the service.
"""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from artifacts.records import Record

SCRIPT = Path(__file__).parent / "wrk.lua"
WARM_UP_S = 1
# The warm-up begins 1/20 of the file before the first request, so that it repeats requests of the load before it.
WARM_UP_SHARE = 20


class LoadError(Exception):
    """wrk is not installed or failed, or a request failed."""


class Load(Record):
    """What wrk measured in one run.

    Latencies are corrected for coordinated omission by wrk: for a latency of more than twice the average time between
    a connection's requests, latencies of the requests that the connection could not send meanwhile are added.
    """

    requests: int  # number of answered requests
    seconds: float
    failed: int  # refused, broken, or answered with an error
    mean_ms: float
    p50_ms: float
    p99_ms: float

    @property
    def per_s(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds


@dataclass(frozen=True)
class Requests:
    """A file of requests, one per line: METHOD PATH BODY.

    Attributes:
        path: path of the file.
        count: number of lines.
        distinct: whether all lines are different.
    """

    path: Path
    count: int
    distinct: bool = True


def find_wrk() -> str:
    """Return the path of wrk.

    Raises:
        LoadError: wrk is not installed.
    """
    found = shutil.which("wrk")
    if found is None:
        raise LoadError("wrk is not installed; it generates the load: apt-get install wrk")
    return found


def run_load(url: str, requests: Requests, *, connections: int, seconds: int, first: int = 0) -> Load:
    """Measure a closed-loop load after a short warm-up: each connection sends its next request after an answer.

    Args:
        url: URL of the service, without a path.
        requests: the requests to send.
        connections: number of connections; one thread of wrk serves all.
        seconds: duration of the load.
        first: index of the first request to send; after the last request of the file follows its first.

    Raises:
        LoadError: wrk is not installed or failed, a request failed, or a request of a distinct file was sent twice.
    """
    _run_wrk(url, requests, connections, WARM_UP_S, first - requests.count // WARM_UP_SHARE)
    load = _run_wrk(url, requests, connections, seconds, first)
    if requests.distinct and load.requests > requests.count:
        raise LoadError(
            f"{load.requests:,} requests were answered and only {requests.count:,} are different; choose fewer seconds"
        )
    return load


def read_load(output: str) -> Load:
    """Read the record at the end of wrk's output.

    Raises:
        LoadError: the record is missing, a request failed, or none was answered.
    """
    try:
        load = Load.model_validate_json(output.strip().rpartition("\n")[2])
    except ValidationError as error:
        raise LoadError(f"wrk printed no result: {output.strip()[-500:]!r}") from error
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
