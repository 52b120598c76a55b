import math
from typing import Any

import numpy as np
import pytest

from knn import ArgumentError, Neighbours, Recall, exact_search, measure_recall, score_rows
from knn.recall import tie_tolerances


def _neighbours(rows: list[list[int]], scores: list[list[float]] | None = None) -> Neighbours:
    array = np.array(rows, dtype=np.int64)
    if scores is None:
        scores = [[-0.1 * i for i in range(array.shape[1])]] * len(rows)
    return Neighbours(np.array(scores, dtype=np.float32), array)


def _recall(found: Neighbours, exact: Neighbours, k: int) -> Recall:
    """With the scores of the rows found as `exact` has them; a row that it lacks scores worse than all."""
    pairs = zip(exact.rows.tolist(), exact.scores.tolist(), strict=True)
    known = [dict(zip(rows, scores, strict=True)) for rows, scores in pairs]
    scores = [[known[i].get(row, -9.0) for row in rows] for i, rows in enumerate(found.rows.tolist())]
    return measure_recall(found, exact, k, np.array(scores, dtype=np.float32))


def test_solved_by_hand() -> None:
    exact = _neighbours([[1, 2, 3, 4], [5, 6, 7, 8]])
    found = _neighbours([[2, 9, 1, 0], [8, 7, 6, 5]])
    error = pytest.approx(0.25 / math.sqrt(2))  # of 0.5 and 1, and of 0.5 and 0
    assert _recall(found, exact, 4) == Recall(0.75, 0.75, error, queries=2)
    assert _recall(found, exact, 2) == Recall(0.25, 0.25, error, queries=2)


def test_a_row_within_a_thousandth_of_place_k_counts_as_well() -> None:
    exact = _neighbours([[1, 2, 3, 4]], [[0.5, -0.2, -0.2009, -0.2011]])
    assert _recall(_neighbours([[1, 3]]), exact, 2) == Recall(1.0, 0.5, 0.0, queries=1)
    assert _recall(_neighbours([[1, 4]]), exact, 2) == Recall(0.5, 0.5, 0.0, queries=1)


def test_where_scores_lie_closer_together_less_is_tied() -> None:
    """A fifth of what lies between ranks 2 and 4; the first, far above the others, does not widen it."""
    exact = _neighbours([[1, 2, 3, 4, 5, 6]], [[0.9, 0.5004, 0.5002, 0.5, 0.49994, 0.4999]])
    assert tie_tolerances(exact, 4).item() == pytest.approx(0.00008, rel=1e-3)
    assert _recall(_neighbours([[1, 2, 3, 5]]), exact, 4) == Recall(1.0, 0.75, 0.0, queries=1)
    assert _recall(_neighbours([[1, 2, 3, 6]]), exact, 4) == Recall(0.75, 0.75, 0.0, queries=1)


@pytest.mark.parametrize(
    ("scores", "k", "tolerance"),
    [
        ([0.9, 0.5, 0.1, 0.0], 4, 1e-3),  # never wider
        ([0.9, 0.5, 0.5, 0.5], 4, 1e-6),  # nor narrower than rounding
        ([0.9, 0.5, 0.5, 0.5], 1, 1e-6),  # one answer has no spread
        ([0.9, 0.899, -np.inf, -np.inf], 4, 2e-4),  # of the answers that there are
        ([-np.inf] * 4, 4, 1e-6),
    ],
)
def test_the_tolerance_of_a_query(scores: list[float], k: int, tolerance: float) -> None:
    rows = [[-1 if math.isinf(score) else i for i, score in enumerate(scores)]]
    found = tie_tolerances(_neighbours(rows, [scores]), k)
    assert found.shape == (1, 1) and found.dtype == np.float32
    assert found.item() == pytest.approx(tolerance, rel=1e-3)


def test_recall_sees_also_where_all_vectors_lie_close_together(queries: np.ndarray) -> None:
    """With a tolerance of 0.001 for every query, answers by chance had a recall of 1 here."""
    rng = np.random.default_rng(3)
    around = queries[0] + 3e-4 * rng.standard_normal((2_000, queries.shape[1]))
    products = (around / np.linalg.norm(around, axis=1, keepdims=True)).astype(np.float32)
    exact = exact_search(products, queries, 100)
    chance = Neighbours(exact.scores, np.stack([rng.choice(2_000, 100, replace=False) for _ in queries]))
    scores = score_rows(products, queries, chance.rows)
    assert np.mean(scores >= exact.scores[:, -1:] - 1e-3) > 0.9
    recall = measure_recall(chance, exact, 100, scores)
    assert recall.strict < recall.tie_tolerant < 0.1


def test_the_lower_bound_by_hand() -> None:
    """Five queries and one that misses 4 * 0.05; Student's quantile with 5 degrees of freedom is 2.571."""
    shares = np.array([0.9, 0.95, 1.0, 1.0, 0.97])
    recall = Recall(shares.mean(), 0.0, shares.std() / math.sqrt(5), queries=5)
    with_one = np.append(shares, 0.8)
    bound = with_one.mean() - 2.571 * with_one.std(ddof=1) / math.sqrt(6)
    assert recall.lower_bound(0.95) == pytest.approx(bound, abs=2e-4)


def test_the_lower_bound_of_queries_that_are_all_answered() -> None:
    bounds = [Recall(1.0, 1.0, 0.0, queries).lower_bound(0.99) for queries in (5, 11, 12, 200, 1000)]
    assert bounds == sorted(bounds)
    assert [bound >= 0.99 for bound in bounds] == [False, False, True, True, True]
    assert Recall(1.0, 1.0, 0.0, queries=1).lower_bound(1.0) == 1.0  # exact search


def test_of_many_queries_the_bound_is_the_usual_one() -> None:
    assert Recall(0.97, 0.9, 0.002, queries=1000).lower_bound(0.95) == pytest.approx(0.97 - 1.962 * 0.002, abs=3e-4)


def test_ties_never_add_up_to_more_than_everything() -> None:
    exact = _neighbours([[1, 2, 3, 4]], [[0.2, 0.2, 0.2, 0.2]])
    assert _recall(_neighbours([[4, 3]]), exact, 2) == Recall(1.0, 0.0, 0.0, queries=1)


def test_a_tied_row_counts_however_many_are_tied(products: np.ndarray, queries: np.ndarray) -> None:
    """The exact answers need no columns beyond k: a returned row brings its own score."""
    copies = np.concatenate([products[:40]] * 50)
    exact = exact_search(copies, queries, 9)
    last_copies = Neighbours(exact.scores, exact.rows % 40 + 40 * 49)
    scores = score_rows(copies, queries, last_copies.rows)
    assert measure_recall(last_copies, exact, 9, scores) == Recall(1.0, 0.0, 0.0, queries=len(queries))


def test_rows_of_one_query_do_not_count_for_another() -> None:
    assert _recall(_neighbours([[1], [2]]), _neighbours([[2], [1]]), 1) == Recall(0.0, 0.0, 0.0, queries=2)


def test_padding_is_no_hit_and_no_miss() -> None:
    exact = _neighbours([[1, -1, -1], [-1, -1, -1]], [[0.5, -np.inf, -np.inf], [-np.inf] * 3])
    found = _neighbours([[1, -1, -1], [-1, -1, -1]])
    scores = np.array([[0.5, -np.inf, -np.inf], [-np.inf] * 3], dtype=np.float32)
    assert measure_recall(found, exact, 3, scores) == Recall(1.0, 1.0, 0.0, queries=1)
    nothing = _neighbours([[-1, -1, -1]] * 2)
    assert measure_recall(nothing, exact, 3, np.full((2, 3), -np.inf)) == Recall(0.0, 0.0, 0.0, queries=1)


_THREE = _neighbours([[1, 2, 3]])


@pytest.mark.parametrize(
    ("found", "exact", "k", "message"),
    [
        (_THREE, _THREE, 4, "found: expected at least k = 4 columns, got 3"),
        (_neighbours([[1, 2, 3, 4]]), _THREE, 4, "exact: expected at least k = 4 columns, got 3"),
        (_THREE, _THREE, 0, "found: expected at least k = 0 columns, got 3"),
        (_THREE, _neighbours([[1, 2, 3]] * 2), 3, "expected answers to the same queries, got 1 and 2"),
        (_THREE, _neighbours([[-1, -1, -1]]), 3,
         "expected at least one query with an exact neighbour, got none; measure over a full index"),
    ],
)  # fmt: skip
def test_bad_arguments(found: Any, exact: Any, k: int, message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        measure_recall(found, exact, k, found.scores)
    assert str(caught.value) == message
