from collections.abc import Callable

import numpy as np
import pytest

from knn import ArgumentError, GroundTruth, Neighbours, OperatingPoint, VectorIndex, make_ground_truth


@pytest.fixture(scope="module")
def ground_truth(products: np.ndarray, queries: np.ndarray) -> GroundTruth:
    return make_ground_truth(products, queries, 50)


@pytest.mark.parametrize("factory", ["IVF64,SQfp16", "IVF64,SQ4"])
def test_recall_is_what_a_loop_over_all_scores_gives(
    make_index: Callable[[str], VectorIndex],
    ground_truth: GroundTruth,
    products: np.ndarray,
    queries: np.ndarray,
    factory: str,
) -> None:
    found = make_index(factory).search(queries, 60, OperatingPoint(nprobe=4))
    tolerant, strict = [], []
    for query, rows in zip(queries.astype(np.float64), found.rows[:, :50], strict=True):
        scores = products.astype(np.float64) @ query
        best = np.argsort(-scores)[:50]
        tolerance = min(0.2 * (scores[best[24]] - scores[best[-1]]), 1e-3)
        tolerant.append(np.mean([row >= 0 and scores[row] >= scores[best[-1]] - tolerance for row in rows]))
        strict.append(np.mean([row in best for row in rows]))
    recall = ground_truth.measure(found)
    assert recall.tie_tolerant == pytest.approx(np.mean(tolerant), abs=1e-3)
    assert recall.strict == pytest.approx(np.mean(strict), abs=1e-3)
    assert 0.2 < recall.strict < recall.tie_tolerant < 1


def test_its_own_answers_are_perfect(ground_truth: GroundTruth) -> None:
    recall = ground_truth.measure(ground_truth.exact)
    assert (ground_truth.k, recall.strict, recall.tie_tolerant) == (50, 1.0, 1.0)


def test_scores_of_the_index_are_not_trusted(ground_truth: GroundTruth) -> None:
    boastful = Neighbours(np.full((40, 50), 2, dtype=np.float32), (ground_truth.exact.rows + 1) % 6_000)
    assert ground_truth.measure(boastful).tie_tolerant < 0.1


def test_too_few_columns_are_refused(ground_truth: GroundTruth) -> None:
    few = Neighbours(ground_truth.exact.scores[:, :49], ground_truth.exact.rows[:, :49])
    with pytest.raises(ArgumentError, match=r"^found: expected at least k = 50 columns, got 49$"):
        ground_truth.measure(few)
