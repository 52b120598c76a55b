"""Places of held-out purchases, and recalls, against exact search."""

import numpy as np
import pytest

from knn import exact_search, recall_of_rows
from training.after_fit import purchase_places as module
from training.after_fit.purchase_places import HeldOutPurchases, Scoring, purchase_places

QUERIES, PRODUCTS, WIDTH = 12, 90, 8


def unit(count: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(count, WIDTH)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture
def held_out() -> HeldOutPurchases:
    rng = np.random.default_rng(1)
    bought = [np.sort(rng.choice(PRODUCTS, size=1 + query % 4, replace=False)) for query in range(QUERIES)]
    return HeldOutPurchases(unit(QUERIES, 2), unit(PRODUCTS, 3), bought, rng.integers(0, 9, PRODUCTS))


@pytest.mark.parametrize("block", [7, 1000])
def test_places_and_recalls_are_those_of_a_search(
    block: int, held_out: HeldOutPurchases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PRODUCTS_PER_BLOCK", block)
    rng = np.random.default_rng(4)
    scorings = [
        Scoring(np.zeros(PRODUCTS, np.float32), np.ones(QUERIES, np.float32)),
        Scoring(rng.normal(size=PRODUCTS).astype(np.float32) / 9, rng.uniform(0, 2, QUERIES).astype(np.float32)),
    ]
    for scoring, places in zip(scorings, purchase_places(held_out, scorings), strict=True):
        queries = np.hstack([held_out.queries, scoring.weights[:, None]])
        products = np.hstack([held_out.products, scoring.priors[:, None]])
        ranked = exact_search(products, queries, PRODUCTS).rows.tolist()
        pairs = [(query, row) for query, rows in enumerate(held_out.bought) for row in rows.tolist()]
        assert places.tolist() == [ranked[query].index(row) for query, row in pairs]
        for depth in (1, 10, 50):
            shallow = np.array(ranked)[:, :depth]
            np.testing.assert_allclose(held_out.recalls(places, depth), recall_of_rows(shallow, held_out.bought))


def test_some_of_the_queries_keep_their_purchases(held_out: HeldOutPurchases) -> None:
    some = held_out.only(np.array([3, 7]))
    np.testing.assert_array_equal(some.queries, held_out.queries[[3, 7]])
    np.testing.assert_array_equal(some.product_of, np.concatenate([held_out.bought[3], held_out.bought[7]]))
    assert some.query_of.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
