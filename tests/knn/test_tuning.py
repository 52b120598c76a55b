import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from knn import (
    ArgumentError,
    GroundTruth,
    Neighbours,
    OperatingPoint,
    Recall,
    TuningPoint,
    VectorIndex,
    make_ground_truth,
    tune_operating_point,
)
from knn import tuning as tuning_module

Make = Callable[[str], VectorIndex]


@pytest.fixture(scope="module")
def ground_truth(products: np.ndarray, queries: np.ndarray) -> GroundTruth:
    return make_ground_truth(products, queries, 50)


def _pretend(monkeypatch: pytest.MonkeyPatch, recall: Callable[[int, float], float], ms: Callable[..., float]) -> None:
    """Measurements as given by nprobe and k_factor."""

    def measure(_: object, __: object, point: OperatingPoint, ___: object) -> TuningPoint:
        dials = point.nprobe or 0, point.k_factor or 0.0
        return TuningPoint(point, Recall(recall(*dials), recall(*dials) - 0.01, 0.0, queries=10**9), ms(*dials))

    monkeypatch.setattr(tuning_module, "_measure", measure)


@pytest.mark.parametrize(
    ("target", "nprobe", "reached"), [(0.5, 1, True), (0.9, 8, True), (0.9699, 8, True), (0.99, 2, False)]
)
def test_the_cheapest_point_that_reaches_the_target(
    make_index: Make,
    ground_truth: GroundTruth,
    monkeypatch: pytest.MonkeyPatch,
    target: float,
    nprobe: int,
    reached: bool,
) -> None:
    recalls, times_ms = {1: 0.6, 2: 0.98, 4: 0.98, 8: 0.97}, {1: 1.0, 2: 3.0, 4: 4.0, 8: 2.0}
    _pretend(monkeypatch, lambda nprobe, _: recalls[nprobe], lambda nprobe, _: times_ms[nprobe])
    points = [OperatingPoint(nprobe=n) for n in (1, 2, 4, 8)]
    tuning = tune_operating_point(make_index("IVF64,SQfp16"), ground_truth, target, points)
    assert (tuning.operating_point, tuning.reached_target) == (OperatingPoint(nprobe=nprobe), reached)
    assert tuning.chosen.operating_point is tuning.operating_point
    assert [point.operating_point for point in tuning.curve] == points
    assert (tuning.target_recall, tuning.k) == (target, 50)


@pytest.mark.parametrize(("error", "nprobe"), [(0.0, 1), (0.01, 2), (0.03, 4), (0.2, 4)])
def test_a_point_is_chosen_that_other_queries_will_find_good_enough_too(
    make_index: Make, ground_truth: GroundTruth, monkeypatch: pytest.MonkeyPatch, error: float, nprobe: int
) -> None:
    recalls = {nprobe: Recall(recall, 0.9, error, 1000) for nprobe, recall in ((1, 0.91), (2, 0.93), (4, 0.96))}
    monkeypatch.setattr(
        tuning_module, "_measure", lambda _, __, point, ___: TuningPoint(point, recalls[point.nprobe], point.nprobe)
    )
    points = [OperatingPoint(nprobe=n) for n in recalls]
    tuning = tune_operating_point(make_index("IVF64,SQfp16"), ground_truth, 0.9, points)
    assert tuning.operating_point.nprobe == nprobe
    assert tuning.reached_target  # on the queries measured, even where the last does not make sure of it


def test_where_no_point_is_sure_strict_recall_decides_between_equal_ones(
    make_index: Make, ground_truth: GroundTruth, monkeypatch: pytest.MonkeyPatch
) -> None:
    strict = {1: 0.8, 2: 0.9, 4: 0.95, 8: 0.95}

    def measure(_: object, __: object, point: OperatingPoint, ___: object) -> TuningPoint:
        return TuningPoint(point, Recall(1.0, strict[point.nprobe or 0], 0.0, queries=5), float(point.nprobe or 0))

    monkeypatch.setattr(tuning_module, "_measure", measure)
    points = [OperatingPoint(nprobe=n) for n in strict]
    tuning = tune_operating_point(make_index("IVF64,SQfp16"), ground_truth, 0.9, points)
    assert (tuning.operating_point.nprobe, tuning.reached_target) == (4, True)


@pytest.mark.parametrize("target", [0.9, 0.99])
@pytest.mark.parametrize("count", [5, 10, 20, 50, 200])
def test_the_chosen_point_is_hardly_ever_truly_below_the_target(
    make_index: Make, ground_truth: GroundTruth, monkeypatch: pytest.MonkeyPatch, target: float, count: int
) -> None:
    """Queries drawn from many, whose recall rises with nprobe like that of real ones: half of them reach 0.9 with 4.6
    lists, some with 1, some with 20. A margin of one standard error misses the target in 20 to 40 % of draws of 5.
    """
    rng = np.random.default_rng(count)
    hardness = 2 * np.exp(0.5 * rng.standard_normal(5_000))
    drawn: list[np.ndarray] = []

    def found(hard: np.ndarray, nprobe: int) -> np.ndarray:
        return 1 - np.exp(-nprobe / hard)

    def measure(_: object, __: object, point: OperatingPoint, ___: object) -> TuningPoint:
        nprobe = point.nprobe or 0
        recalls = np.round(found(drawn[-1], nprobe), 2)
        strict = float(np.round(found(1.5 * drawn[-1], nprobe), 2).mean())
        error = float(recalls.std() / math.sqrt(count))
        return TuningPoint(point, Recall(float(recalls.mean()), strict, error, count), float(nprobe))

    monkeypatch.setattr(tuning_module, "_measure", measure)
    index, missed = make_index("IVF64,SQfp16"), 0
    for _ in range(200):
        drawn.append(rng.choice(hardness, count))
        nprobe = tune_operating_point(index, ground_truth, target).operating_point.nprobe
        missed += found(hardness, nprobe or 0).mean() < target
    assert missed <= 10  # 5 %


def test_a_real_curve_rises_and_the_choice_holds_it(make_index: Make, ground_truth: GroundTruth) -> None:
    tuning = tune_operating_point(make_index("IVF64,SQfp16"), ground_truth, 0.9)
    recalls = [point.recall.tie_tolerant for point in tuning.curve]
    assert recalls == sorted(recalls) and recalls[0] < 0.9 < recalls[-1]
    assert tuning.reached_target and tuning.chosen.recall.tie_tolerant >= 0.9
    cheap_enough = [point.latency_ms for point in tuning.curve if point.recall.lower_bound(0.9) >= 0.9]
    assert tuning.chosen.latency_ms == min(cheap_enough) > 0


def test_each_point_is_what_its_search_gives(make_index: Make, ground_truth: GroundTruth) -> None:
    index = make_index("IVF64,SQ8,Refine(SQfp16)")
    points = [OperatingPoint(4, 1.0), OperatingPoint(4, 4.0)]
    for point in tune_operating_point(index, ground_truth, 0.9, points).curve:
        assert point.recall == ground_truth.measure(index.search(ground_truth.queries, 50, point.operating_point))


def test_the_best_there_is_when_nothing_reaches_the_target(make_index: Make, ground_truth: GroundTruth) -> None:
    points = [OperatingPoint(nprobe=n) for n in (2, 1)]
    tuning = tune_operating_point(make_index("IVF64,SQfp16"), ground_truth, 1.0, points)
    assert not tuning.reached_target
    assert tuning.operating_point == OperatingPoint(nprobe=2)


def test_flat_is_measured_too(make_index: Make, ground_truth: GroundTruth) -> None:
    tuning = tune_operating_point(make_index("Flat"), ground_truth, 1.0)
    assert tuning.reached_target and tuning.operating_point == OperatingPoint()
    assert tuning.chosen.recall == Recall(1.0, 1.0, 0.0, queries=40) and len(tuning.curve) == 1


def test_nprobe_is_doubled_until_it_gains_no_more(
    make_index: Make, ground_truth: GroundTruth, monkeypatch: pytest.MonkeyPatch
) -> None:
    recalls = {1: 0.5, 2: 0.7, 4: 0.95, 8: 0.98, 16: 0.9804, 32: 1.0, 64: 1.0}
    _pretend(monkeypatch, lambda nprobe, _: recalls[nprobe], lambda nprobe, _: float(nprobe))
    tuning = tune_operating_point(make_index("IVF64,SQfp16"), ground_truth, 0.99)
    assert [point.operating_point.nprobe for point in tuning.curve] == [1, 2, 4, 8, 16]
    assert not tuning.reached_target and tuning.operating_point.nprobe == 16


@pytest.mark.parametrize(
    ("needed", "nprobes", "chosen"),
    [
        (17, [1, 2, 4, 8, 16, 20, 24, 32, 64], 20),
        (21, [1, 2, 4, 8, 16, 20, 24, 32, 64], 24),
        (25, [1, 2, 4, 8, 16, 24, 28, 32, 64], 28),
        (3, [1, 2, 3, 4, 8, 16, 32, 64], 3),
        (2, [1, 2, 4, 8, 16, 32, 64], 2),
        (1, [1, 2, 4, 8, 16, 32, 64], 1),
    ],
)
def test_the_step_around_the_target_is_halved(
    make_index: Make,
    ground_truth: GroundTruth,
    monkeypatch: pytest.MonkeyPatch,
    needed: int,
    nprobes: list[int],
    chosen: int,
) -> None:
    _pretend(monkeypatch, lambda nprobe, _: 0.9001 + 0.01 * math.log2(nprobe / needed), lambda nprobe, _: float(nprobe))
    tuning = tune_operating_point(make_index("IVF64,SQfp16"), ground_truth, 0.9)
    assert [point.operating_point.nprobe for point in tuning.curve] == nprobes
    assert tuning.operating_point.nprobe == chosen


def test_ef_search_of_a_graph_is_raised_until_the_target_is_reached_for_real(
    make_index: Make, products: np.ndarray, queries: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Recall is measured; times are those of a machine that nothing else keeps busy.
    monkeypatch.setattr(tuning_module, "time_queries", lambda *arguments: float(arguments[-1].ef_search))
    index, exact = make_index("HNSW4"), make_ground_truth(products, queries, 20)
    tuning = tune_operating_point(index, exact, 0.9)
    values = [point.operating_point.ef_search or 0 for point in tuning.curve]
    assert values[0] == 20 and values == sorted(values) and len(values) >= 5
    found = exact.measure(index.search(queries, 20, tuning.operating_point))
    assert tuning.reached_target and found.tie_tolerant >= 0.9 > tuning.curve[0].recall.tie_tolerant
    assert values[0] < (tuning.operating_point.ef_search or 0) < values[-1]


def test_ef_search_is_raised_to_that_of_all_products_at_most(make_index: Make, products: np.ndarray) -> None:
    exact = make_ground_truth(products, products[:2], 5_000)
    tuning = tune_operating_point(make_index("HNSW4"), exact, 1.0)
    assert [point.operating_point.ef_search for point in tuning.curve] == [5_000]


def test_a_larger_k_factor_is_tried_while_it_gains(
    make_index: Make, ground_truth: GroundTruth, monkeypatch: pytest.MonkeyPatch
) -> None:
    ceilings = {1.0: 0.6, 1.5: 0.8, 2.0: 0.9, 3.0: 0.9001, 4.0: 1.0, 8.0: 1.0}
    _pretend(
        monkeypatch,
        lambda nprobe, k_factor: ceilings[k_factor] - (0.3 if nprobe == 1 else 0.0),
        lambda nprobe, k_factor: nprobe * k_factor,
    )
    tuning = tune_operating_point(make_index("IVF64,SQ8,Refine(SQfp16)"), ground_truth, 0.99)
    dials = [(point.operating_point.k_factor, point.operating_point.nprobe) for point in tuning.curve]
    assert dials == [(k_factor, nprobe) for k_factor in (1.0, 1.5, 2.0, 3.0) for nprobe in (1, 2, 4)]


def test_a_query_is_timed_at_the_depth_asked_for(
    make_index: Make, ground_truth: GroundTruth, monkeypatch: pytest.MonkeyPatch
) -> None:
    index, asked = make_index("Flat"), []

    def search(queries: np.ndarray, k: int, point: OperatingPoint) -> Neighbours:
        asked.append((len(queries), k))
        return VectorIndex.search(index, queries, k, point)

    monkeypatch.setattr(index, "search", search)
    assert tune_operating_point(index, ground_truth, 0.9, timed_k=77).k == 50
    assert asked == [(40, 50)] + [(1, 77)] * 40


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"target_recall": 0}, "target_recall: expected a number above 0 and at most 1, got 0"),
        ({"target_recall": 98}, "target_recall: expected a number above 0 and at most 1, got 98"),
        ({"target_recall": float("nan")}, "target_recall: expected a number above 0 and at most 1, got nan"),
        ({"candidates": ()}, "candidates: expected at least one operating point, got none"),
    ],
)
def test_bad_arguments(make_index: Make, ground_truth: GroundTruth, arguments: dict[str, Any], message: str) -> None:
    usual: dict[str, Any] = {"index": make_index("Flat"), "ground_truth": ground_truth, "target_recall": 0.9}
    with pytest.raises(ArgumentError) as caught:
        tune_operating_point(**usual | arguments)
    assert str(caught.value) == message
