"""Load tests of several services in turns, so that a noisy machine affects all of them alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np

from benchmarks.common.harness import Figure
from benchmarks.service.load import Load, Requests, run_load
from benchmarks.service.queries import DEPTH
from benchmarks.service.servers import Server

BARE, OURS, BY_HAND, TXTAI = "bare endpoint", "Vitrine", "by hand", "txtai"


@dataclass(frozen=True)
class Turn:
    """One service under one load.

    Attributes:
        name: name of the service.
        server: the running service.
        requests: requests to send; each round continues after the last request of the round before.
        connections: number of connections.
        first: index of the first request that the first round sends.
    """

    name: str
    server: Server
    requests: Requests
    connections: int
    first: int = 0


@dataclass(frozen=True)
class Measured:
    """The measurements of one service under one load, one for each round."""

    turn: Turn
    loads: tuple[Load, ...]

    @property
    def per_s(self) -> float:
        """Requests per second, the median of the rounds."""
        return float(np.median([load.per_s for load in self.loads]))

    @property
    def p50_ms(self) -> float:
        """Median latency, the median of the rounds."""
        return float(np.median([load.p50_ms for load in self.loads]))

    @property
    def p99_ms(self) -> float:
        """99th percentile of the latency, the median of the rounds."""
        return float(np.median([load.p99_ms for load in self.loads]))

    def figures(self, of: str) -> list[Figure]:
        """Return the figures of requests per second and latency.

        Args:
            of: name of the measurement, such as the number of products.
        """
        name = f"{of}: {self.turn.name}, {self.turn.connections} at once"
        return [
            Figure(f"{name}", "1/s", tuple(load.per_s for load in self.loads)),
            Figure(f"{name}, p50", "ms", tuple(load.p50_ms for load in self.loads)),
            Figure(f"{name}, p99", "ms", tuple(load.p99_ms for load in self.loads)),
        ]


def take_turns(turns: Sequence[Turn], rounds: int, seconds: int) -> list[Measured]:
    """Load the services one after the other, and repeat this for several rounds."""
    loads: list[list[Load]] = [[] for _ in turns]
    for _ in range(rounds):
        for turn, before in zip(turns, loads, strict=True):
            sent = turn.first + sum(load.requests for load in before)
            url, connections = turn.server.url, turn.connections
            load = run_load(url, turn.requests, connections=connections, seconds=seconds, first=sent)
            print(f"  {turn.name}, {connections} at once: {load.per_s:,.0f}/s, p99 {load.p99_ms:.2f} ms", flush=True)
            before.append(load)
    return [Measured(turn, tuple(found)) for turn, found in zip(turns, loads, strict=True)]


def keep_answer(server: Server, query: str, path: Path) -> Path:
    """Write Vitrine's answer to a query into a file, for the bare endpoint."""
    path.write_bytes(httpx.post(f"{server.url}/search", json={"query": query}, timeout=60).raise_for_status().content)
    return path


def common_share(first: Server, second: Server, queries: Sequence[str]) -> float:
    """Return the share of the products found by the first service that the second finds too, from 0 to 1."""
    shares = []
    for query in queries:
        found, others = (_product_ids(server.url, query) for server in (first, second))
        shares.append(len(found & others) / len(found))
    return float(np.mean(shares))


def _product_ids(url: str, query: str) -> set[str]:
    answer = httpx.post(f"{url}/search", json={"query": query}, timeout=60)
    if answer.status_code == httpx.codes.METHOD_NOT_ALLOWED:  # txtai answers GET only
        answer = httpx.get(f"{url}/search", params={"query": query, "limit": DEPTH}, timeout=60)
    content: list[Mapping[str, str]] | Mapping[str, list[Mapping[str, str]]] = answer.raise_for_status().json()
    hits = content if isinstance(content, list) else content["hits"]
    return {hit.get("product_id") or hit["id"] for hit in hits}
