"""Which queries become canaries."""

import numpy as np
import pyarrow as pa

from artifacts.canaries import CANARY_DEPTH
from index_builder.index.canaries import CANARY_QUERIES, choose_canaries
from knn import Neighbours

IDS = pa.chunked_array([[f"p{row}" for row in range(60)], [f"p{row}" for row in range(60, 100)]])


def _neighbours(rows: np.ndarray, scores: np.ndarray | None = None) -> Neighbours:
    """Neighbours with falling scores unless given. Shape (n, k)."""
    if scores is None:
        scores = np.tile(np.linspace(0.9, 0.1, rows.shape[1]), (len(rows), 1))
    return Neighbours(scores.astype(np.float32), rows)


def _permuted_rows(count: int, columns: int) -> np.ndarray:
    rng = np.random.default_rng(2)
    return np.stack([rng.permutation(100)[:columns] for _ in range(count)])


def test_expected_products_are_those_of_exact_search_best_first() -> None:
    exact = _neighbours(_permuted_rows(3, 15))
    canaries = choose_canaries(["a", "b", "c"], exact, _neighbours(exact.rows[:, :10]), IDS)
    assert [canary.query for canary in canaries] == ["a", "b", "c"]
    for canary, rows in zip(canaries, exact.rows, strict=True):
        assert canary.product_ids == tuple(f"p{row}" for row in rows[:CANARY_DEPTH])


def test_queries_that_the_index_answers_come_first() -> None:
    exact = _neighbours(_permuted_rows(80, 15))
    found = exact.rows[:, :10].copy()
    missed = np.arange(0, 80, 2)
    found[missed, 0] = exact.rows[missed, 12]  # one product of ten is another
    queries = [str(number) for number in range(80)]
    canaries = choose_canaries(queries, exact, _neighbours(found), IDS)
    assert [canary.query for canary in canaries] == [str(number) for number in range(1, 64, 2)]
    assert len(canaries) == CANARY_QUERIES


def test_queries_with_a_tie_at_the_cut_come_last_of_those() -> None:
    exact = _neighbours(_permuted_rows(40, 15))
    exact.scores[:8, 10] = exact.scores[:8, 9]
    queries = [str(number) for number in range(40)]
    canaries = choose_canaries(queries, exact, _neighbours(exact.rows[:, :10]), IDS)
    assert [canary.query for canary in canaries] == [str(number) for number in range(8, 40)]


def test_the_order_of_the_index_makes_no_difference() -> None:
    exact = _neighbours(_permuted_rows(40, 15))
    backwards = _neighbours(exact.rows[:, 9::-1])
    assert len(choose_canaries([str(i) for i in range(40)], exact, backwards, IDS)) == CANARY_QUERIES


def test_a_small_catalogue_is_expected_whole() -> None:
    ids = pa.chunked_array([["x", "y", "z"]])
    exact = _neighbours(np.array([[2, 0, 1]]))
    (canary,) = choose_canaries(["a"], exact, exact, ids)
    assert canary.product_ids == ("z", "x", "y")
