import math
from typing import Any

import numpy as np
import pytest

from knn import ArgumentError, Neighbours, Recall, exact_search, measure_recall, score_rows


def _neighbours(rows: list[list[int]], scores: list[list[float]] | None = None) -> Neighbours:
    array = np.array(rows, dtype=np.int64)
    if scores is None:
        scores = [[-0.1 * i for i in range(array.shape[1])]] * len(rows)
    return Neighbours(np.array(scores, dtype=np.float32), array)


def _recall(found: Neighbours, exact: Neighbours, k: int, **options: float) -> Recall:
    """With the scores of the rows found as `exact` has them; a row that it lacks scores worse than all."""
    pairs = zip(exact.rows.tolist(), exact.scores.tolist(), strict=True)
    known = [dict(zip(rows, scores, strict=True)) for rows, scores in pairs]
    scores = [[known[i].get(row, -9.0) for row in rows] for i, rows in enumerate(found.rows.tolist())]
    return measure_recall(found, exact, k, np.array(scores, dtype=np.float32), **options)


def test_solved_by_hand() -> None:
    exact = _neighbours([[1, 2, 3, 4], [5, 6, 7, 8]])
    found = _neighbours([[2, 9, 1, 0], [8, 7, 6, 5]])
    error = pytest.approx(0.25 / math.sqrt(2))  # of 0.5 and 1, and of 0.5 and 0
    assert _recall(found, exact, 4) == Recall(tie_tolerant=0.75, strict=0.75, standard_error=error)
    assert _recall(found, exact, 2) == Recall(tie_tolerant=0.25, strict=0.25, standard_error=error)
    assert Recall(tie_tolerant=0.75, strict=0.75, standard_error=0.125).conservative == 0.625


def test_a_row_within_a_thousandth_of_place_k_counts_as_well() -> None:
    exact = _neighbours([[1, 2, 3, 4]], [[0.5, -0.2, -0.2009, -0.2011]])
    assert _recall(_neighbours([[1, 3]]), exact, 2) == Recall(tie_tolerant=1.0, strict=0.5)
    assert _recall(_neighbours([[1, 4]]), exact, 2) == Recall(tie_tolerant=0.5, strict=0.5)
    assert _recall(_neighbours([[1, 4]]), exact, 2, tolerance=0.2).tie_tolerant == 1.0
    assert _recall(_neighbours([[1, 3]]), exact, 2, tolerance=1e-6).tie_tolerant == 0.5


def test_ties_never_add_up_to_more_than_everything() -> None:
    exact = _neighbours([[1, 2, 3, 4]], [[0.2, 0.2, 0.2, 0.2]])
    assert _recall(_neighbours([[4, 3]]), exact, 2) == Recall(tie_tolerant=1.0, strict=0.0)


def test_a_tied_row_counts_however_many_are_tied(products: np.ndarray, queries: np.ndarray) -> None:
    """The exact answers need no columns beyond k: a returned row brings its own score."""
    copies = np.concatenate([products[:40]] * 50)
    exact = exact_search(copies, queries, 9)
    last_copies = Neighbours(exact.scores, exact.rows % 40 + 40 * 49)
    scores = score_rows(copies, queries, last_copies.rows)
    assert measure_recall(last_copies, exact, 9, scores) == Recall(tie_tolerant=1.0, strict=0.0)


def test_rows_of_one_query_do_not_count_for_another() -> None:
    assert _recall(_neighbours([[1], [2]]), _neighbours([[2], [1]]), 1) == Recall(0.0, 0.0)


def test_padding_is_no_hit_and_no_miss() -> None:
    exact = _neighbours([[1, -1, -1], [-1, -1, -1]], [[0.5, -np.inf, -np.inf], [-np.inf] * 3])
    found = _neighbours([[1, -1, -1], [-1, -1, -1]])
    scores = np.array([[0.5, -np.inf, -np.inf], [-np.inf] * 3], dtype=np.float32)
    assert measure_recall(found, exact, 3, scores) == Recall(tie_tolerant=1.0, strict=1.0)
    nothing = _neighbours([[-1, -1, -1]] * 2)
    assert measure_recall(nothing, exact, 3, np.full((2, 3), -np.inf)) == Recall(tie_tolerant=0.0, strict=0.0)


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
