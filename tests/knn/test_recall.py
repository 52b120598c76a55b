from typing import Any

import numpy as np
import pytest

from knn import ArgumentError, Neighbours, Recall, exact_search, measure_recall


def _neighbours(rows: list[list[int]], scores: list[list[float]] | None = None) -> Neighbours:
    array = np.array(rows, dtype=np.int64)
    if scores is None:
        scores = [[-0.1 * i for i in range(array.shape[1])]] * len(rows)
    return Neighbours(np.array(scores, dtype=np.float32), array)


def test_solved_by_hand() -> None:
    exact = _neighbours([[1, 2, 3, 4], [5, 6, 7, 8]])
    found = _neighbours([[2, 9, 1, 0], [8, 7, 6, 5]])
    assert measure_recall(found, exact, 4) == Recall(tie_tolerant=0.75, strict=0.75)
    assert measure_recall(found, exact, 2) == Recall(tie_tolerant=0.25, strict=0.25)


def test_a_row_tied_with_place_k_counts_as_well() -> None:
    exact = _neighbours([[1, 2, 3, 4]], [[0.5, -0.2, -0.2000001, -0.3]])
    assert measure_recall(_neighbours([[1, 3]]), exact, 2) == Recall(tie_tolerant=1.0, strict=0.5)
    assert measure_recall(_neighbours([[1, 4]]), exact, 2) == Recall(tie_tolerant=0.5, strict=0.5)
    assert measure_recall(_neighbours([[1, 4]]), exact, 2, epsilon=0.2).tie_tolerant == 1.0


def test_ties_never_add_up_to_more_than_everything() -> None:
    exact = _neighbours([[1, 2, 3, 4]], [[0.2, 0.2, 0.2, 0.2]])
    assert measure_recall(_neighbours([[4, 3]]), exact, 2) == Recall(tie_tolerant=1.0, strict=0.0)


def test_rows_of_one_query_do_not_count_for_another() -> None:
    assert measure_recall(_neighbours([[1], [2]]), _neighbours([[2], [1]]), 1).strict == 0.0


def test_padding_is_no_hit_and_no_miss() -> None:
    exact = _neighbours([[1, -1, -1], [-1, -1, -1]], [[0.5, -np.inf, -np.inf], [-np.inf] * 3])
    found = _neighbours([[1, -1, -1], [-1, -1, -1]])
    assert measure_recall(found, exact, 3) == Recall(tie_tolerant=1.0, strict=1.0)
    assert measure_recall(_neighbours([[-1, -1, -1]] * 2), exact, 3) == Recall(tie_tolerant=0.0, strict=0.0)


def test_copies_found_in_another_order_are_no_loss(products: np.ndarray, queries: np.ndarray) -> None:
    twice = np.concatenate([products, products])
    exact = exact_search(twice, queries, 16)
    swapped = Neighbours(exact.scores, (exact.rows + len(products)) % len(twice))
    assert measure_recall(swapped, exact, 9).strict < 1.0
    assert measure_recall(swapped, exact, 9).tie_tolerant == 1.0


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
        measure_recall(found, exact, k)
    assert str(caught.value) == message
