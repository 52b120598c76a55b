"""Products' history against its formula written a second time, pair by pair."""

import math

import numpy as np
import pyarrow as pa
import pytest

from artifacts.history import ProductHistory
from training.after_fit import history as module
from training.after_fit.history import RIDGE, bought_history, product_history, with_estimate

WEIGHT = 0.7


def shown(pairs: int, queries: int = 30, products: int = 12) -> pa.Table:
    rng = np.random.default_rng(5)
    numbers = rng.choice(queries * products, size=pairs, replace=False)
    return pa.table(
        {
            "query": [f"q{number // products}" for number in numbers],
            "product_id": [f"p{number % products}" for number in numbers],
            "impressions": rng.integers(1, 2000, pairs),
        }
    )


def encode(queries: list[str]) -> np.ndarray:
    rows = [np.random.default_rng(int(query[1:])).normal(size=16) for query in queries]
    return np.stack([row / np.linalg.norm(row) for row in rows]).astype(np.float32)


@pytest.mark.parametrize("block", [1, 7, 10_000])
def test_a_history_is_the_weighted_mean_of_the_queries_that_showed_the_product(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_ROWS_PER_BLOCK", block)
    table = shown(140)
    found = product_history(table, encode, WEIGHT)
    sums: dict[str, np.ndarray] = {}
    for row in table.to_pylist():
        (vector,) = encode([row["query"]])
        weighted = math.log(1 + row["impressions"]) * vector.astype(np.float64)
        sums[row["product_id"]] = sums.get(row["product_id"], 0) + weighted
    assert sorted(found.product_ids.to_pylist()) == sorted(sums)
    for product_id, vector in zip(found.product_ids.to_pylist(), found.vectors, strict=True):
        expected = WEIGHT * sums[product_id] / np.linalg.norm(sums[product_id])
        np.testing.assert_allclose(vector, expected, atol=1e-3)


def test_the_estimate_is_the_ridge_regression_of_histories_on_vectors() -> None:
    """By descent along the gradient of the sum that it minimises, over the products with a history alone."""
    rng = np.random.default_rng(2)
    vectors = rng.normal(size=(40, 3)) / 2
    ids = [f"p{number}" for number in range(40)]
    known = rng.permutation(40)[:25]
    wanted = np.hstack([vectors, np.ones((40, 1))]) @ rng.normal(size=(4, 3)) + rng.normal(size=(40, 3)) / 10
    history = ProductHistory(pa.array([*(ids[row] for row in known), "gone"]), np.zeros((26, 3), np.float16))
    history.vectors[:25] = wanted[known]
    found = with_estimate(history, vectors.astype(np.float32), ids, factor=2).estimate
    inputs, outputs = np.hstack([vectors[known], np.ones((25, 1))]), history.vectors[:25].astype(np.float64)
    slow = np.zeros((4, 3))
    for _ in range(20_000):
        slow -= 0.1 * (inputs.T @ (inputs @ slow - outputs) / 25 + RIDGE * slow)
    np.testing.assert_allclose(found, 2 * slow, atol=2e-3)


def test_queries_that_cancel_out_leave_no_history() -> None:
    table = pa.table({"query": ["+", "-", "+"], "product_id": ["a", "a", "b"], "impressions": [3, 3, 1]})
    found = product_history(table, lambda queries: np.array([[1, 0] if q == "+" else [-1, 0] for q in queries]), 1.0)
    assert found.product_ids.to_pylist() == ["b"]
    np.testing.assert_array_equal(found.vectors, [[1, 0]])


def test_a_history_of_what_was_bought_lies_between_its_queries_and_what_is_expected() -> None:
    table, smoothing = shown(140).select(["query", "product_id"]), 3.0
    ids = [*sorted(set(table["product_id"].to_pylist())), "never bought"]
    vectors = np.random.default_rng(8).normal(size=(len(ids), 16)).astype(np.float32)
    found = bought_history(table, encode, (vectors, ids), WEIGHT, smoothing)
    of_product: dict[str, list[np.ndarray]] = {}
    for query, product in zip(*(table[name].to_pylist() for name in ("query", "product_id")), strict=True):
        of_product.setdefault(product, []).append(encode([query])[0])
    inputs = np.hstack([vectors[:-1], np.ones((len(ids) - 1, 1))]).astype(np.float64)
    means = np.stack([np.mean(of_product[one], axis=0) for one in ids[:-1]])
    penalty = RIDGE * len(inputs) * np.eye(17)
    expected = np.linalg.solve(inputs.T @ inputs + penalty, inputs.T @ means)
    for product, vector in zip(found.product_ids.to_pylist(), found.vectors.astype(np.float32), strict=True):
        row = ids.index(product)
        queries = of_product[product]
        wanted = (np.sum(queries, axis=0) + smoothing * inputs[row] @ expected) / (len(queries) + smoothing)
        np.testing.assert_allclose(vector, WEIGHT * wanted, atol=2e-3)
    assert found.estimate is not None
    np.testing.assert_allclose(found.estimate, WEIGHT * expected, atol=1e-3)
    assert sorted(found.product_ids.to_pylist()) == ids[:-1]


def test_a_product_that_left_the_catalogue_has_no_history() -> None:
    table = pa.table({"query": ["q1", "q2", "q3"], "product_id": ["a", "gone", "b"]})
    vectors = np.eye(16, dtype=np.float32)[:3]
    found = bought_history(table, encode, (vectors, ["a", "b", "c"]), WEIGHT, 1.0)
    assert found.product_ids.to_pylist() == ["a", "b"] and found.vectors.shape == (2, 16)
