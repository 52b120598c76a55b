"""The weight by query: its derivatives against the loss written a second time, and what a fit of it finds."""

import numpy as np
import pytest

from tests.training.after_fit.test_purchase_places import unit
from training.after_fit.popularity_weight import RIDGE, Derivatives, constant_weight, fit_weight
from training.after_fit.purchase_places import HeldOutPurchases

TEMPERATURE, LIMIT = 0.1, 2.0


def loss(held_out: HeldOutPurchases, priors: np.ndarray, query: int, weight: float) -> float:
    """-log P of a query's purchases, their mean, product by product."""
    scores = held_out.products.astype(np.float64) @ held_out.queries[query] + weight * priors.astype(np.float64)
    exponentials = np.exp(scores / TEMPERATURE)
    return float(-np.log(exponentials[held_out.bought[query]] / exponentials.sum()).mean())


def shop(queries: int, products: int = 60) -> tuple[HeldOutPurchases, np.ndarray]:
    """Queries whose first coordinate says whether they buy what is popular; others buy the nearest product."""
    rng = np.random.default_rng(5)
    of_queries, of_products = unit(queries, 6), unit(products, 7)
    priors = rng.normal(size=products).astype(np.float32) / 5
    bought = []
    for query in of_queries:
        scores = of_products @ query + (3 if query[0] > 0 else 0) * priors
        bought.append(np.array([int(np.argmax(scores))]))
    return HeldOutPurchases(of_queries, of_products, bought, np.ones(products, np.int64)), priors


def test_derivatives_are_those_of_the_loss() -> None:
    held_out, priors = shop(9)
    derivatives = Derivatives.of(held_out, priors, TEMPERATURE, LIMIT)
    for place, weight in enumerate(derivatives.values.tolist()):
        for query in range(9):
            after, before = (loss(held_out, priors, query, weight + step) for step in (1e-4, -1e-4))
            assert derivatives.table[query, place] == pytest.approx((after - before) / 2e-4, abs=1e-4)
    assert (np.diff(derivatives.table, axis=1) > 0).all()  # so that the loss is convex
    between, slopes = derivatives.at(np.full(9, 0.3))
    np.testing.assert_allclose(between, derivatives.table[:, 1] + 0.05 * slopes, atol=1e-9)


def test_queries_that_buy_what_is_popular_give_it_more_weight() -> None:
    held_out, priors = shop(300)
    everything = np.arange(300)
    derivatives = Derivatives.of(held_out, priors, TEMPERATURE, LIMIT)
    fitted = fit_weight(held_out.queries, derivatives, everything)
    weights = fitted.of(held_out.queries)
    assert weights.mean() == pytest.approx(1, abs=1e-3) and weights.min() >= 0 and weights.max() <= LIMIT
    assert np.corrcoef(weights, held_out.queries[:, 0])[0, 1] > 0.8
    again = fit_weight(held_out.queries, derivatives, everything)
    np.testing.assert_array_equal(again.vector, fitted.vector)


def test_the_fit_is_where_the_loss_is_least() -> None:
    """By descent along the gradient of the tabulated loss with its penalty."""
    held_out, priors = shop(80)
    derivatives = Derivatives.of(held_out, priors, TEMPERATURE, LIMIT)
    inputs = np.hstack([held_out.queries, np.ones((80, 1))]).astype(np.float64)
    slow = np.eye(9)[-1]
    for _ in range(6000):
        first, _ = derivatives.at(inputs @ slow)
        slow -= 0.2 * (inputs.T @ first / 80 + 2 * RIDGE * np.append(slow[:-1], 0))
    fitted = fit_weight(held_out.queries, derivatives, np.arange(80))
    factor = fitted.constant / slow[-1]
    np.testing.assert_allclose(fitted.vector, factor * slow[:-1], atol=5e-3)


def test_a_constant_weight_is_1_for_every_query() -> None:
    np.testing.assert_array_equal(constant_weight(8, 2.0).of(unit(5, 1)), 1)
