"""Times of copies, the query tower and exact search on a device; tests use the device "cpu"."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from benchmarks.service.queries import DEPTH
from knn import GpuVectorIndex, OperatingPoint
from towers.query_encoder import QueryEncoder, Vectors

WARM_UP = 10
COPIES = 20  # per measurement, so that the start of a copy hardly counts


@dataclass(frozen=True)
class BatchTimes:
    """Times of batches of one size.

    Attributes:
        batch: number of queries in a batch.
        encode_ms: time from texts to vectors, both in host memory.
        search_ms: time from vectors to neighbours, both in host memory.
    """

    batch: int
    encode_ms: tuple[float, ...]
    search_ms: tuple[float, ...]

    @property
    def whole_ms(self) -> tuple[float, ...]:
        """Times from texts to neighbours."""
        return tuple(encode + search for encode, search in zip(self.encode_ms, self.search_ms, strict=True))


def copy_bytes_per_s(device: str, size_bytes: int, rounds: int) -> tuple[float, ...]:
    """Measure how many bytes per second copies in the device's memory move; each byte is read and written once.

    Args:
        device: the device, as PyTorch names it.
        size_bytes: size of the copied block, far larger than the caches.
        rounds: number of measurements, of COPIES copies each.
    """
    source = torch.zeros(size_bytes, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)

    def copy() -> None:
        for _ in range(COPIES):
            target.copy_(source)
        _wait(device)

    copy()
    return tuple(2 * size_bytes * COPIES / _seconds(copy) for _ in range(rounds))


def batch_times(
    encoder: QueryEncoder, index: GpuVectorIndex, texts: Sequence[str], batch: int, rounds: int
) -> BatchTimes:
    """Encode and search batches one after the other; queries repeat only after all have been used."""
    encode_ms, search_ms = [], []
    for number in range(WARM_UP + rounds):
        asked = [texts[place % len(texts)] for place in range(number * batch, (number + 1) * batch)]
        begin = time.perf_counter()
        vectors = encoder.encode(asked)
        encoded = time.perf_counter()
        search(index, vectors)
        searched = time.perf_counter()
        encode_ms.append(1000 * (encoded - begin))
        search_ms.append(1000 * (searched - encoded))
    return BatchTimes(batch, tuple(encode_ms[WARM_UP:]), tuple(search_ms[WARM_UP:]))


def search(index: GpuVectorIndex, vectors: Vectors) -> "np.ndarray[tuple[int, ...], np.dtype[np.int64]]":
    """Return the rows of the nearest products, (n, D) -> (n, DEPTH)."""
    return index.search(vectors, min(DEPTH, index.count), OperatingPoint()).rows


def least_ms(size_bytes: int, bytes_per_s: float) -> float:
    """Return the time for reading these bytes once at this bandwidth, in ms."""
    return 1000 * size_bytes / bytes_per_s


def _wait(device: str) -> None:
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)


def _seconds(work: Callable[[], None]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin
