"""Times on a device: copies, the query tower, exact search. Device "cpu" runs all of it too, slowly, for tests."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from benchmarks.service.queries import DEPTH
from knn import GpuVectorIndex, OperatingPoint
from towers.query_encoder import QueryEncoder, Vectors

WARM_UP = 10
COPIES = 20  # between two looks at the clock, so that starting one does not count


@dataclass(frozen=True)
class BatchTimes:
    """Milliseconds of batches of one size, each measured alone.

    Attributes:
        batch: queries of a batch.
        encode_ms: texts to vectors, both in the memory of the host.
        search_ms: vectors to neighbours, both in the memory of the host.
    """

    batch: int
    encode_ms: tuple[float, ...]
    search_ms: tuple[float, ...]

    @property
    def whole_ms(self) -> tuple[float, ...]:
        """Texts to neighbours."""
        return tuple(encode + search for encode, search in zip(self.encode_ms, self.search_ms, strict=True))


def copy_bytes_per_s(device: str, size_bytes: int, rounds: int) -> tuple[float, ...]:
    """Bytes that copies within the device's memory move in a second: each byte is read once and written once.

    Args:
        device: as PyTorch names it.
        size_bytes: of what is copied; far more than its caches hold.
        rounds: of COPIES copies.
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
    """Encode and search batches one after the other, every batch of other queries until they begin again."""
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
    """Rows of the nearest products, (n, D) -> (n, DEPTH)."""
    return index.search(vectors, min(DEPTH, index.count), OperatingPoint()).rows


def least_ms(size_bytes: int, bytes_per_s: float) -> float:
    """Milliseconds in which a device that moves so many bytes a second reads these once."""
    return 1000 * size_bytes / bytes_per_s


def _wait(device: str) -> None:
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)


def _seconds(work: Callable[[], None]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin
