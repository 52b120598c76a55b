"""Choose the fastest operating point that reaches a target recall."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .errors import ArgumentError
from .ground_truth import GroundTruth
from .index import VectorIndex
from .operating_point import OperatingPoint
from .recall import Recall
from .threads import one_thread

# The highest nprobe that is tried by default; a GPU supports at most 2,048.
MAX_NPROBE = 1024
# The highest ef_search that is tried by default.
MAX_EF_SEARCH = 4096
K_FACTORS = (1.0, 1.5, 2.0, 3.0, 4.0, 8.0)
# Queries timed one by one at each point, which is enough for a stable median.
TIMED_QUERIES = 100
# A search parameter is raised until recall gains less than this share of what the target allows to miss: for a target
# of 0.99, less than 0.0005.
LEAST_GAIN = 0.05
# How often the step between the last nprobe below the target and the first one that reaches it is halved: 64 and 128
# become 64, 80, 96 and 128, or 64, 96, 112 and 128.
HALVINGS = 2


@dataclass(frozen=True)
class TuningPoint:
    """One measured point of the curve.

    Attributes:
        operating_point: The search parameters.
        recall: Recall at the tuning's k, compared with exact search.
        latency_ms: Median time of a single query with one FAISS thread.
    """

    operating_point: OperatingPoint
    recall: Recall
    latency_ms: float


@dataclass(frozen=True)
class Tuning:
    """The result of tuning.

    Attributes:
        chosen: The fastest point whose recall reaches the target by its lower bound (`Recall.lower_bound`), so that
            other queries very likely reach it too; if none does, the point with the highest recall, tie-tolerant and
            then strict.
        reached_target: Whether the chosen point reaches the target on the queries measured.
        target_recall: The tie-tolerant recall to reach.
        k: The cut-off of recall.
        curve: All measured points, by k_factor and then by nprobe or ef_search.
    """

    chosen: TuningPoint
    reached_target: bool
    target_recall: float
    k: int
    curve: tuple[TuningPoint, ...]

    @property
    def best_recall(self) -> float:
        """The highest tie-tolerant recall of the curve."""
        return max(point.recall.tie_tolerant for point in self.curve)

    @property
    def operating_point(self) -> OperatingPoint:
        """The search parameters of the chosen point."""
        return self.chosen.operating_point


def tune_operating_point(
    index: VectorIndex,
    ground_truth: GroundTruth,
    target_recall: float,
    candidates: Sequence[OperatingPoint] | None = None,
    timed_k: int | None = None,
) -> Tuning:
    """Measure operating points and choose the fastest one that reaches the target.

    Args:
        index: An index of the products of the ground truth, with rows in the same order.
        ground_truth: Queries of the kind that will be searched for (of shoppers, not titles), with exact answers.
        target_recall: Tie-tolerant recall to reach, above 0 and at most 1.
        candidates: The points to measure. By default nprobe, or ef_search of a graph, is doubled until recall gains no
            more (see `LEAST_GAIN`) and the steps around the target are halved; this is repeated for each k_factor of
            `K_FACTORS` until that gains no more either. An index without search parameters has a single point.
        timed_k: Neighbours per query in time measurements; by default the ground truth's k.

    Returns:
        The chosen point and the whole curve.

    Raises:
        ArgumentError: The target is out of range, or there are no candidates.
        VectorError: The queries do not fit the index.
    """
    if not 0 < target_recall <= 1:
        raise ArgumentError(f"target_recall: expected a number above 0 and at most 1, got {target_recall!r}")
    if candidates is not None and not candidates:
        raise ArgumentError("candidates: expected at least one operating point, got none")

    def measure(point: OperatingPoint) -> TuningPoint:
        return _measure(index, ground_truth, point, timed_k or ground_truth.k)

    curve = tuple(
        _climb_all(index, ground_truth.k, measure, target_recall) if candidates is None else map(measure, candidates)
    )
    good = [point for point in curve if _is_sure(point, target_recall)]
    if good:
        chosen = min(good, key=lambda point: point.latency_ms)
    else:
        # A few queries often reach a recall of 1 at several points; strict recall tells which of them leaves room.
        chosen = max(curve, key=lambda point: (point.recall.tie_tolerant, point.recall.strict, -point.latency_ms))
    return Tuning(chosen, chosen.recall.tie_tolerant >= target_recall, target_recall, ground_truth.k, curve)


def time_queries(index: VectorIndex, queries: np.ndarray, k: int, point: OperatingPoint) -> float:
    """Return the median time of a single query with one FAISS thread, in ms, over the first `TIMED_QUERIES`.

    Args:
        index: The index.
        queries: Shape (n, d), float32; at least one.
        k: Neighbours per query.
        point: The search parameters.
    """
    latencies_ms = []
    with one_thread():
        for i in range(min(len(queries), TIMED_QUERIES)):
            start = time.perf_counter()
            index.search(queries[i : i + 1], k, point)
            latencies_ms.append(1000 * (time.perf_counter() - start))
    return float(np.median(latencies_ms))


_Measure = Callable[[OperatingPoint], TuningPoint]


def _climb_all(index: VectorIndex, k: int, measure: _Measure, target_recall: float) -> Iterator[TuningPoint]:
    """Yield the points of each k_factor in turn, until a larger one gains no more recall."""
    least_gain, highest = LEAST_GAIN * (1 - target_recall), 0.0
    for k_factor in K_FACTORS if index.structure.refines else (None,):
        points = [replace(point, k_factor=k_factor) for point in _doubled(index, k)]
        curve = _climb(points, measure, target_recall)
        yield from curve
        reached = max(point.recall.tie_tolerant for point in curve)
        if reached - highest <= least_gain:
            return
        highest = reached


def _doubled(index: VectorIndex, k: int) -> list[OperatingPoint]:
    """Return points of ascending nprobe, or ef_search of a graph; a single one if the index has neither."""
    lists = index.structure.list_count
    if lists is not None:
        return [OperatingPoint(nprobe=2**i) for i in range(min(lists, MAX_NPROBE).bit_length())]
    if not index.structure.has_graph:
        return [OperatingPoint()]
    values = [k]  # a lower one counts as k
    while values[-1] < min(index.count, MAX_EF_SEARCH):
        values.append(2 * values[-1])
    return [OperatingPoint(ef_search=value) for value in values]


def _climb(points: Sequence[OperatingPoint], measure: _Measure, target_recall: float) -> list[TuningPoint]:
    """Measure points in order until recall gains no more, and those between two of them around the target."""
    curve: list[TuningPoint] = []
    for point in points:
        curve.append(measure(point))
        if len(curve) > 1 and _gain(*curve[-2:]) <= LEAST_GAIN * (1 - target_recall):
            break
    return _halve_steps(curve, measure, target_recall)


def _halve_steps(curve: list[TuningPoint], measure: _Measure, target_recall: float) -> list[TuningPoint]:
    """Insert points between the last one below the target and the first one that reaches it."""
    curve = list(curve)
    for _ in range(HALVINGS):
        first = next((i for i, point in enumerate(curve) if _is_sure(point, target_recall)), 0)
        if first == 0:
            break
        below, above = (curve[i].operating_point for i in (first - 1, first))
        dial = "nprobe" if above.nprobe is not None else "ef_search"
        low, high = getattr(below, dial), getattr(above, dial)
        if high - low < 2:
            break
        curve.insert(first, measure(replace(above, **{dial: (low + high) // 2})))
    return curve


def _is_sure(point: TuningPoint, target_recall: float) -> bool:
    return point.recall.lower_bound(target_recall) >= target_recall


def _gain(before: TuningPoint, after: TuningPoint) -> float:
    return after.recall.tie_tolerant - before.recall.tie_tolerant


def _measure(index: VectorIndex, ground_truth: GroundTruth, point: OperatingPoint, timed_k: int) -> TuningPoint:
    recall = ground_truth.measure(index.search(ground_truth.queries, ground_truth.k, point))
    return TuningPoint(point, recall, time_queries(index, ground_truth.queries, timed_k, point))
