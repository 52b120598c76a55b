"""Finding the cheapest operating point that is good enough."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .errors import ArgumentError
from .index import VectorIndex
from .neighbours import Neighbours
from .operating_point import OperatingPoint
from .recall import Recall, measure_recall

# Deepest nprobe tried on its own accord; a GPU takes at most 2,048.
MAX_NPROBE = 1024
K_FACTORS = (1.0, 2.0, 4.0, 8.0)
# Queries timed one by one at each point: enough for a steady median.
TIMED_QUERIES = 100


@dataclass(frozen=True)
class TuningPoint:
    """One measured point of the curve.

    Attributes:
        operating_point: The dials.
        recall: At the tuning's k, against exact search.
        latency_ms: Median of a query searched alone, with the calling thread's number of FAISS threads.
    """

    operating_point: OperatingPoint
    recall: Recall
    latency_ms: float


@dataclass(frozen=True)
class Tuning:
    """What tuning found.

    Attributes:
        chosen: The cheapest point that reaches the target; where none does, the one with the highest recall.
        reached_target: Whether the chosen point reaches the target.
        target_recall: What was asked for, tie-tolerant.
        k: The cut-off of recall.
        curve: Every point measured, in the order of the candidates.
    """

    chosen: TuningPoint
    reached_target: bool
    target_recall: float
    k: int
    curve: tuple[TuningPoint, ...]

    @property
    def operating_point(self) -> OperatingPoint:
        """The dials of the chosen point."""
        return self.chosen.operating_point


def tune_operating_point(
    index: VectorIndex,
    queries: np.ndarray,
    exact: Neighbours,
    target_recall: float,
    k: int = 100,
    candidates: Sequence[OperatingPoint] | None = None,
) -> Tuning:
    """Measure the candidates and choose the cheapest that reaches the target.

    Args:
        index: Over the products of the exact answers, rows in the same order.
        queries: Shape (n, d), like those to come: queries of shoppers, not products.
        exact: Of these queries, from `exact_search` with k or, to recognise ties, more columns.
        target_recall: Tie-tolerant recall at k to reach, above 0 and at most 1.
        k: Cut-off.
        candidates: Points to measure; by default `default_candidates`.

    Returns:
        The choice and the whole curve.

    Raises:
        ArgumentError: A target or candidates that make no sense, too few columns in exact.
        VectorError: The queries do not fit the index.
    """
    if not 0 < target_recall <= 1:
        raise ArgumentError(f"target_recall: expected a number above 0 and at most 1, got {target_recall!r}")
    points = default_candidates(index) if candidates is None else tuple(candidates)
    if not points:
        raise ArgumentError("candidates: expected at least one operating point, got none")
    curve = tuple(_measure(index, queries, exact, k, point) for point in points)
    good = [point for point in curve if point.recall.tie_tolerant >= target_recall]
    if good:
        chosen = min(good, key=lambda point: point.latency_ms)
    else:
        chosen = max(curve, key=lambda point: (point.recall.tie_tolerant, -point.latency_ms))
    return Tuning(chosen, bool(good), target_recall, k, curve)


def default_candidates(index: VectorIndex) -> tuple[OperatingPoint, ...]:
    """Powers of two for nprobe up to the number of lists or `MAX_NPROBE`, with every k_factor of `K_FACTORS`.

    An index without dials has the one point that sets none.
    """
    lists = index.structure.list_count
    nprobes = [None] if lists is None else [2**i for i in range(min(lists, MAX_NPROBE).bit_length())]
    k_factors = K_FACTORS if index.structure.refines else (None,)
    return tuple(OperatingPoint(nprobe, k_factor) for k_factor in k_factors for nprobe in nprobes)


def _measure(index: VectorIndex, queries: np.ndarray, exact: Neighbours, k: int, point: OperatingPoint) -> TuningPoint:
    recall = measure_recall(index.search(queries, k, point), exact, k)
    latencies_ms = []
    for i in range(min(len(queries), TIMED_QUERIES)):
        start = time.perf_counter()
        index.search(queries[i : i + 1], k, point)
        latencies_ms.append(1000 * (time.perf_counter() - start))
    return TuningPoint(point, recall, float(np.median(latencies_ms)))
