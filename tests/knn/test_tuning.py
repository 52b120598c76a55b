from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from knn import (
    ArgumentError,
    Neighbours,
    OperatingPoint,
    Recall,
    TuningPoint,
    VectorIndex,
    tune_operating_point,
)
from knn import tuning as tuning_module
from knn.tuning import default_candidates

Make = Callable[[str], VectorIndex]


def _pretend(monkeypatch: pytest.MonkeyPatch, curve: dict[int, tuple[float, float]]) -> None:
    """Measurements as given: nprobe -> (recall, milliseconds)."""

    def measure(_: object, __: object, ___: object, ____: object, point: OperatingPoint) -> TuningPoint:
        recall, latency_ms = curve[point.nprobe or 0]
        return TuningPoint(point, Recall(recall, recall - 0.01), latency_ms)

    monkeypatch.setattr(tuning_module, "_measure", measure)


@pytest.mark.parametrize(
    ("target", "nprobe", "reached"), [(0.5, 1, True), (0.9, 8, True), (0.97, 8, True), (0.99, 2, False)]
)
def test_the_cheapest_point_that_reaches_the_target(
    make_index: Make,
    queries: np.ndarray,
    exact: Neighbours,
    monkeypatch: pytest.MonkeyPatch,
    target: float,
    nprobe: int,
    reached: bool,
) -> None:
    _pretend(monkeypatch, {1: (0.6, 1.0), 2: (0.98, 3.0), 4: (0.98, 4.0), 8: (0.97, 2.0)})
    points = [OperatingPoint(nprobe=n) for n in (1, 2, 4, 8)]
    tuning = tune_operating_point(make_index("IVF64,SQfp16"), queries, exact, target, 50, points)
    assert (tuning.operating_point, tuning.reached_target) == (OperatingPoint(nprobe=nprobe), reached)
    assert tuning.chosen.operating_point is tuning.operating_point
    assert [point.operating_point for point in tuning.curve] == points
    assert (tuning.target_recall, tuning.k) == (target, 50)


def test_a_real_curve_rises_and_the_choice_holds_it(make_index: Make, queries: np.ndarray, exact: Neighbours) -> None:
    tuning = tune_operating_point(make_index("IVF64,SQfp16"), queries, exact, 0.9, 50)
    recalls = [point.recall.tie_tolerant for point in tuning.curve]
    assert recalls == sorted(recalls) and recalls[0] < 0.9 < recalls[-1]
    assert tuning.reached_target and tuning.chosen.recall.tie_tolerant >= 0.9
    cheap_enough = [point.latency_ms for point in tuning.curve if point.recall.tie_tolerant >= 0.9]
    assert tuning.chosen.latency_ms == min(cheap_enough) > 0


def test_the_best_there_is_when_nothing_reaches_the_target(
    make_index: Make, queries: np.ndarray, exact: Neighbours
) -> None:
    points = [OperatingPoint(nprobe=n) for n in (2, 1)]
    tuning = tune_operating_point(make_index("IVF64,SQfp16"), queries, exact, 1.0, 50, points)
    assert not tuning.reached_target
    assert tuning.operating_point == OperatingPoint(nprobe=2)


def test_flat_is_measured_too(make_index: Make, queries: np.ndarray, exact: Neighbours) -> None:
    tuning = tune_operating_point(make_index("Flat"), queries, exact, 1.0, 50)
    assert tuning.reached_target and tuning.operating_point == OperatingPoint()
    assert tuning.chosen.recall == Recall(1.0, 1.0) and len(tuning.curve) == 1


def test_default_candidates_follow_the_dials(make_index: Make) -> None:
    nprobes = [1, 2, 4, 8, 16, 32, 64]
    assert default_candidates(make_index("Flat")) == (OperatingPoint(),)
    assert [point.nprobe for point in default_candidates(make_index("IVF64,SQfp16"))] == nprobes
    refined = default_candidates(make_index("IVF64,SQ8,Refine(SQfp16)"))
    assert {(point.nprobe, point.k_factor) for point in refined} == {
        (nprobe, k_factor) for nprobe in nprobes for k_factor in (1.0, 2.0, 4.0, 8.0)
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"target_recall": 0}, "target_recall: expected a number above 0 and at most 1, got 0"),
        ({"target_recall": 98}, "target_recall: expected a number above 0 and at most 1, got 98"),
        ({"target_recall": float("nan")}, "target_recall: expected a number above 0 and at most 1, got nan"),
        ({"candidates": ()}, "candidates: expected at least one operating point, got none"),
        ({"k": 61}, "exact: expected at least k = 61 columns, got 60"),
    ],
)
def test_bad_arguments(
    make_index: Make, queries: np.ndarray, exact: Neighbours, arguments: dict[str, Any], message: str
) -> None:
    usual: dict[str, Any] = {"index": make_index("Flat"), "target_recall": 0.9, "k": 50}
    with pytest.raises(ArgumentError) as caught:
        tune_operating_point(queries=queries, exact=exact, **usual | arguments)
    assert str(caught.value) == message
