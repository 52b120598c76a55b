"""The order of judged products against pairs that are counted one by one, and what popularity may cost of it."""

from dataclasses import replace

import numpy as np
import pytest

from tests.training.after_fit.test_popularity import SETTINGS, shop, unit
from training.after_fit.label_order import JudgedProducts, LabelOrder, OrderLimit
from training.after_fit.popularity import choose_prior
from training.after_fit.purchase_places import Scoring

WEIGHTS = (0.002, 0.01, 0.03, 0.1)


EXACT = np.array([True, True, False, False, False, False])


def judged_queries(queries: int, products: int, seed: int = 3) -> list[JudgedProducts]:
    rng = np.random.default_rng(seed)
    return [JudgedProducts(rng.choice(products, len(EXACT), replace=False), EXACT) for _ in range(queries)]


def test_the_order_is_the_share_of_pairs_in_the_right_order() -> None:
    rng = np.random.default_rng(0)
    queries, products = unit(rng.normal(size=(7, 5))), unit(rng.normal(size=(40, 5)))
    judged = judged_queries(7, 40)
    scoring = Scoring(rng.normal(size=40).astype(np.float32), rng.random(7).astype(np.float32))
    order = LabelOrder.of(queries, judged, products)
    for scores, found in (
        (queries @ products.T, order.shares()),
        (queries @ products.T + scoring.weights[:, None] * scoring.priors, order.shares(scoring)),
    ):
        for query, one in enumerate(judged):
            exact, other = one.rows[one.exact], one.rows[~one.exact]
            right = [scores[query, first] > scores[query, second] for first in exact for second in other]
            assert found[query] == pytest.approx(np.mean(right))


def test_popularity_costs_no_more_of_the_order_than_is_allowed() -> None:
    held_out = shop(by_popularity=1.0)
    nearest = np.argsort(-held_out.queries @ held_out.products.T, axis=1)[:, ::30][:, :6]  # Exact products lie nearest
    judged = [JudgedProducts(rows, EXACT) for rows in nearest]
    order = LabelOrder.of(held_out.queries, judged, held_out.products)
    settings = replace(SETTINGS, most_loss=100.0, weights=WEIGHTS)
    weights = []
    for most_loss in (0.0, 1.0, 100.0):
        limit = OrderLimit(order, order.shares(), most_loss)
        choice, _ = choose_prior(held_out, settings, limit)
        assert choice.comparison is not None and choice.comparison.order is not None
        found = choice.comparison.order
        assert found.queries == len(nearest) and 100 * (found.without - found.with_it) <= most_loss + 1e-9
        weights.append(choice.comparison.weight)
    assert weights == sorted(weights) and weights[0] < weights[-1]
    assert "judged queries pairs in the right order go from 100.00% to" in choice.reason
