"""Memory of a service over many swaps of its index version."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice

import httpx

from benchmarks.common.measured_process import KIB, shared_out_memory
from benchmarks.service.servers import ADMIN_TOKEN, Server
from service.client import Client

FIRST = 2  # the swap after which every long-lived object has been allocated at least once
_SEARCHES = 20  # number of searches between two swaps
_SETTLE_S = 0.2  # time after the searches before memory is read


@dataclass(frozen=True)
class Swapped:
    """Memory after each swap.

    Attributes:
        resident_gb: resident memory of all processes of the service; memory shared between them counts once.
        swap_s: duration of each swap.
    """

    resident_gb: tuple[float, ...]
    swap_s: tuple[float, ...]

    @property
    def growth(self) -> float:
        """Memory after the last swap divided by memory after the second: 1.05 means 5% more."""
        return self.resident_gb[-1] / self.resident_gb[FIRST - 1]


def swap_often(server: Server, versions: Sequence[str], swaps: int, queries: Sequence[str]) -> Swapped:
    """Swap a service between versions, send some searches after each swap, and read its memory.

    Args:
        server: Vitrine's service.
        versions: ids of the versions, which are swapped to in turn.
        swaps: number of swaps, at least FIRST.
        queries: queries to search for; the first of them are sent after each swap.
    """
    resident_gb, swap_s = [], []
    with httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {ADMIN_TOKEN}"}, timeout=3600) as admin:
        for version in islice(cycle(versions), swaps):
            answer = admin.post("/admin/index/swap", json={"version": version}).raise_for_status()
            with Client(server.url) as client:
                for query in queries[:_SEARCHES]:
                    client.search(query)
            time.sleep(_SETTLE_S)
            swap_s.append(float(answer.json()["took_seconds"]))
            resident_gb.append(sum(shared_out_memory(pid) for pid in server.pids()) * KIB / 1e9)
    return Swapped(tuple(resident_gb), tuple(swap_s))
