"""What a service's memory does over many swaps."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice

import httpx

from benchmarks.common.measured_process import KIB, shared_out_memory
from benchmarks.service.servers import ADMIN_TOKEN, Server
from service.client import Client

FIRST = 2  # the swap after which all that is kept has been made once
_SEARCHES = 20  # between two swaps
_SETTLE_S = 0.2  # until the searches are over


@dataclass(frozen=True)
class Swapped:
    """Memory after each swap.

    Attributes:
        resident_gb: of its processes; what several have in common counts once.
        swap_s: how long each took.
    """

    resident_gb: tuple[float, ...]
    swap_s: tuple[float, ...]

    @property
    def growth(self) -> float:
        """After the last against after the second: 1.05 is 5% more."""
        return self.resident_gb[-1] / self.resident_gb[FIRST - 1]


def swap_often(server: Server, versions: Sequence[str], swaps: int, queries: Sequence[str]) -> Swapped:
    """Swap a service between versions, with some searches each time, and look at its memory.

    Args:
        server: Vitrine.
        versions: to swap to, in turn.
        swaps: how many, at least FIRST.
        queries: to search for; the first come each time.
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
