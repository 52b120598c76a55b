from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from knn import ArgumentError, VectorError, exact, exact_search, extend_exact_search, no_neighbours, score_rows


def _slowly(products: np.ndarray, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The definition a second time: every score in float64, sorted by score, then by row."""
    all_scores, all_rows = [], []
    for query in queries.astype(np.float64):
        scores = np.array([float(product @ query) for product in products.astype(np.float64)], dtype=np.float32)
        rows = sorted(range(len(products)), key=lambda row: (-scores[row], row))[:k]
        all_rows.append(rows)
        all_scores.append(scores[rows])
    return np.array(all_scores), np.array(all_rows)


@pytest.mark.parametrize(("count", "width", "k"), [(300, 8, 1), (300, 8, 50), (1000, 33, 100), (1000, 256, 10)])
@pytest.mark.parametrize("query_count", [1, 30])
def test_equals_the_definition(
    unit_vectors: Callable[..., np.ndarray], count: int, width: int, k: int, query_count: int
) -> None:
    products, queries = unit_vectors(count, width, 1), unit_vectors(query_count, width, 2)
    neighbours = exact_search(products, queries, k)
    scores, rows = _slowly(products, queries, k)
    assert np.array_equal(neighbours.rows, rows)
    assert np.allclose(neighbours.scores, scores, rtol=0, atol=1e-7)
    assert neighbours.scores.dtype == np.float32 and neighbours.rows.dtype == np.int64


def test_negative_cosines_are_neighbours_too() -> None:
    products = np.array([[-1, 0], [0, 1], [0.6, -0.8]], dtype=np.float32)
    neighbours = exact_search(products, -np.eye(2, dtype=np.float32)[1:], 3)
    assert neighbours.rows.tolist() == [[2, 0, 1]]
    assert np.allclose(neighbours.scores, [[0.8, 0, -1]])


@pytest.mark.parametrize("copies", [2, 40, 500])
def test_ties_go_to_the_lower_row(unit_vectors: Callable[..., np.ndarray], copies: int) -> None:
    originals, queries = unit_vectors(60, 48, 1), unit_vectors(25, 48, 2)
    order = np.random.default_rng(0).permutation(np.repeat(np.arange(60), copies))
    products = originals[order]
    k = copies + copies // 2  # ends in the middle of a tie
    neighbours = exact_search(products, queries, k)
    best = exact_search(originals, queries, 2).rows
    for found, scores, (first, second) in zip(neighbours.rows, neighbours.scores, best, strict=True):
        expected = np.concatenate([np.flatnonzero(order == first), np.flatnonzero(order == second)])[:k]
        assert np.array_equal(found, expected)
        assert len(np.unique(scores)) == 2, "copies scored differently"


def test_fewer_products_than_k_are_padded(unit_vectors: Callable[..., np.ndarray]) -> None:
    neighbours = exact_search(unit_vectors(3, 8, 1), unit_vectors(2, 8, 2), 5)
    assert (neighbours.rows[:, :3] >= 0).all() and (neighbours.rows[:, 3:] == -1).all()
    assert np.isneginf(neighbours.scores[:, 3:]).all() and neighbours.found.tolist() == [3, 3]


def test_nothing_to_search_or_to_ask() -> None:
    empty, two = np.empty((0, 4), dtype=np.float32), np.eye(4, dtype=np.float32)[:2]
    assert exact_search(empty, two, 3).rows.tolist() == [[-1] * 3] * 2
    assert exact_search(two, empty, 3).rows.shape == (0, 3)


_EYE = np.eye(4, dtype=np.float32)
_NUMBER = "expected a whole number of at least 1"


@pytest.mark.parametrize(
    ("products", "queries", "k", "error", "message"),
    [
        (_EYE, _EYE[:, :3], 1, VectorError,
         "queries: expected width 4, got 3; encode with the model of this index"),
        (_EYE.astype(float), _EYE, 1, VectorError,
         "products: expected float32, got float64; convert with .astype(np.float32)"),
        (_EYE, _EYE, 0, ArgumentError, f"k: {_NUMBER}, got 0; ask for at least one neighbour"),
        (_EYE, _EYE, 1.5, ArgumentError, f"k: {_NUMBER}, got 1.5; ask for at least one neighbour"),
        (_EYE, _EYE, True, ArgumentError, f"k: {_NUMBER}, got True; ask for at least one neighbour"),
    ],
)  # fmt: skip
def test_bad_arguments(products: Any, queries: Any, k: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        exact_search(products, queries, k)
    assert str(caught.value) == message


@pytest.mark.parametrize("block_rows", [1, 7, 400, 1000])
def test_blocks_one_after_the_other_equal_one_search(unit_vectors: Callable[..., np.ndarray], block_rows: int) -> None:
    products, queries = unit_vectors(900, 24, 1), unit_vectors(12, 24, 2)
    products[100:160] = products[5]  # ties that span blocks
    best = no_neighbours(12, 80)
    for start in range(0, 900, block_rows):
        best = extend_exact_search(best, products[start : start + block_rows], queries, start, 80)
    whole = exact_search(products, queries, 80)
    assert np.array_equal(best.rows, whole.rows) and np.array_equal(best.scores, whole.scores)


@pytest.mark.parametrize("numbers_at_once", [1, 5_000, 1 << 23])
def test_given_rows_are_scored_exactly_block_by_block(
    unit_vectors: Callable[..., np.ndarray], numbers_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exact, "_RESCORE_NUMBERS", numbers_at_once)
    products, queries = unit_vectors(900, 24, 1), unit_vectors(12, 24, 2)
    rows = np.random.default_rng(3).integers(0, 900, (12, 40))
    rows[3, 30:] = -1
    for query, its_rows, scores in zip(queries, rows, score_rows(products, queries, rows), strict=True):
        expected = [
            np.float32(products[row].astype(float) @ query.astype(float)) if row >= 0 else -np.inf for row in its_rows
        ]
        assert np.allclose(scores, expected, rtol=0, atol=1e-7)
    assert score_rows(products, queries, rows[:, :0]).shape == (12, 0)
