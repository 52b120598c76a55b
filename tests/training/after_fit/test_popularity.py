"""The choice of popularity: what it wins, what it may cost, and that noise is refused."""

from dataclasses import replace

import numpy as np
import pytest

from artifacts.popularity import MOST_REACH
from training.after_fit.popularity import (
    PriorSettings,
    choose_prior,
    product_priors,
)
from training.after_fit.purchase_places import HeldOutPurchases, Scoring, purchase_places

SETTINGS = PriorSettings((0.01, 0.03, 0.1), (0.0, 0.5), 5.0, 2.0, by_query=False, temperature=0.05)
QUERIES, PRODUCTS, WIDTH = 200, 1500, 12


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def shop(*, by_popularity: float, seed: int = 0) -> HeldOutPurchases:
    """Shoppers buy products near their query, in proportion to popularity to the power of `by_popularity`."""
    rng = np.random.default_rng(seed)
    queries, products = unit(rng.normal(size=(QUERIES, WIDTH))), unit(rng.normal(size=(PRODUCTS, WIDTH)))
    popularity = rng.lognormal(0, 1.5, PRODUCTS)
    bought = []
    for query in queries:
        chances = np.exp(products @ query / 0.15) * popularity**by_popularity
        bought.append(np.unique(rng.choice(PRODUCTS, 3, p=chances / chances.sum())))
    return HeldOutPurchases(queries, products, bought, rng.poisson(popularity * 3))


def test_popularity_is_kept_where_shoppers_buy_by_it() -> None:
    held_out = shop(by_popularity=1.0)
    choice, chosen = choose_prior(held_out, replace(SETTINGS, most_loss=100.0))
    assert choice.kept and chosen is not None and choice.comparison is not None
    comparison = choice.comparison
    assert comparison.recall_at_100.low > 0 and comparison.recall_at_10.high > 0
    assert comparison.recall_at_100.with_it > comparison.recall_at_100.without
    assert (comparison.queries, comparison.weight_by_query) == (QUERIES, False)
    values, estimate = product_priors(held_out.sold, comparison.weight, comparison.floor)
    np.testing.assert_array_equal(chosen.values, values)
    assert chosen.estimate == estimate
    assert chosen.reach == np.abs(values).max() <= MOST_REACH
    np.testing.assert_array_equal(chosen.weight.of(held_out.queries), 1)
    assert sum(group.purchases for group in comparison.by_purchases) == sum(map(len, held_out.bought))
    over_20 = comparison.by_purchases[-1]
    assert (over_20.least, over_20.most) == (21, None) and over_20.with_prior > over_20.without
    assert f"recall@100 goes from {100 * comparison.recall_at_100.without:.1f} to" in choice.reason
    assert "over 20: " in choice.reason and "1-3: " in choice.reason


def test_the_same_choice_is_made_again() -> None:
    settings = replace(SETTINGS, by_query=True)
    first, second = (choose_prior(shop(by_popularity=1.0), settings)[0] for _ in range(2))
    assert first == second


@pytest.mark.parametrize("seed", range(4))
def test_a_popularity_that_is_noise_is_refused(seed: int) -> None:
    held_out = shop(by_popularity=1.0, seed=seed)
    shuffled = replace(held_out, sold=np.random.default_rng(seed).permutation(held_out.sold))
    choice, chosen = choose_prior(shuffled, replace(SETTINGS, most_loss=100.0, by_query=True))
    assert not choice.kept and chosen is None and choice.reason


@pytest.mark.parametrize("most_loss", [0.0, 4.0, 12.0])
def test_products_that_sell_little_lose_no_more_than_is_allowed(most_loss: float) -> None:
    held_out = shop(by_popularity=1.0)
    choice, _ = choose_prior(held_out, replace(SETTINGS, most_loss=most_loss, weights=(0.002, 0.01, 0.03, 0.1)))
    assert choice.comparison is not None
    priors, _ = product_priors(held_out.sold, choice.comparison.weight, choice.comparison.floor)
    scoring = Scoring(priors / np.sqrt(1 - np.abs(priors).max() ** 2), np.ones(QUERIES, np.float32))
    without, with_prior = purchase_places(held_out, [replace(scoring, priors=0 * priors), scoring])
    few = held_out.sold[held_out.product_of] <= 3
    assert few.sum() > 20
    assert 100 * ((without[few] < 100).mean() - (with_prior[few] < 100).mean()) <= most_loss + 1e-9
    unlimited, _ = choose_prior(held_out, replace(SETTINGS, most_loss=100.0))
    assert unlimited.comparison is not None and choice.comparison.weight < unlimited.comparison.weight


def test_no_product_is_less_popular_than_the_floor() -> None:
    sold = np.array([0, 0, 1, 2, 4, 8, 100])
    values, estimate = product_priors(sold, 0.02, 0.5)
    logarithms = [np.log(1 + n) for n in (1, 2, 4, 8, 100)]
    mean, deviation = np.mean(logarithms), np.std(logarithms)
    scaled = [max((np.log(1 + n) - mean) / deviation, (logarithms[2] - mean) / deviation) for n in sold]
    np.testing.assert_allclose(values, [0.02 * (z - np.mean(scaled)) for z in scaled], atol=1e-7)
    assert estimate == values[0] == values[3] == values.min()
    assert (np.diff(values) >= 0).all() and abs(values.mean()) < 1e-6


def test_priors_stay_within_the_reach() -> None:
    sold = np.concatenate([np.ones(5000, np.int64), [10**9]])
    values, _ = product_priors(sold, 0.1, 0.0)
    assert values.max() == np.float32(MOST_REACH)


def test_purchases_that_are_all_alike_tell_nothing() -> None:
    held_out = shop(by_popularity=1.0)
    choice, chosen = choose_prior(replace(held_out, sold=np.full(PRODUCTS, 2)), SETTINGS)
    assert chosen is None and choice.reason == "in the training window no product was bought more often than another"


def test_the_weight_depends_on_the_query_where_that_wins() -> None:
    held_out = shop(by_popularity=0.0)
    rng = np.random.default_rng(9)
    popularity = held_out.sold + 0.3
    bought = []
    for query in held_out.queries:  # half of the queries buy by popularity, the others the reverse of it
        power = 1.5 if query[0] > 0 else 0.0
        chances = np.exp(held_out.products @ query / 0.1) * popularity**power
        bought.append(np.unique(rng.choice(PRODUCTS, 3, p=chances / chances.sum())))
    settings = replace(SETTINGS, most_loss=100.0, by_query=True, weights=(0.03, 0.06, 0.1), limit=2.0)
    choice, chosen = choose_prior(replace(held_out, bought=bought), settings)
    assert choice.kept and chosen is not None
    if chosen.weight.vector.any():
        weights = chosen.weight.of(held_out.queries)
        assert np.corrcoef(weights, held_out.queries[:, 0])[0, 1] > 0.5
