"""Purchases from the lists that shoppers are shown, against the formula written a second time."""

from itertools import product

import numpy as np
import pytest

from training.sample_shop.labels import COMPLEMENT, EXACT, IRRELEVANT, SUBSTITUTE
from training.sample_shop.list_purchases import SETTLING, buy_from_lists
from training.sample_shop.purchases import PURCHASE_SHARES, Purchases
from training.sample_shop.result_lists import Impressions
from training.sample_shop.simulation import look_at_results

SESSIONS, BROWSED = 40_000, 9  # every session buys this product if it does not buy from the list
POPULARITY = np.array([0.3, 0.05, 0.1, 0.2, 0.02, 0.07, 0.01, 0.1, 0.1, 0.05])
LISTS = [
    [(0, IRRELEVANT), (1, EXACT), (2, SUBSTITUTE), (3, EXACT), (4, SUBSTITUTE), (5, COMPLEMENT)],
    [(4, SUBSTITUTE), (0, IRRELEVANT)],
    [(0, IRRELEVANT), (7, IRRELEVANT)],
]


def lists_of(products: list[tuple[int, int]]) -> Impressions:
    """The same list in all sessions."""
    rows, grades = zip(*products, strict=True)
    return Impressions(
        session=np.repeat(np.arange(SESSIONS), len(rows)),
        product=np.tile(np.array(rows), SESSIONS),
        grade=np.tile(np.array(grades, dtype=np.int8), SESSIONS),
        position=np.tile(np.arange(1, len(rows) + 1), SESSIONS),
    )


def browsed() -> Purchases:
    return Purchases(np.arange(SESSIONS), np.full(SESSIONS, BROWSED))


def slow_chances(products: list[tuple[int, int]], share: float) -> dict[int, float]:
    """The chance of each product to be bought in a session, over all sets of products that may be looked at."""
    exact, substitute, complement, any_product = PURCHASE_SHARES
    chances = dict.fromkeys([*(row for row, _ in products), BROWSED], 0.0)

    def buy(rows: list[int], chance: float) -> None:
        for row in rows:
            chances[row] += chance * POPULARITY[row] / sum(POPULARITY[other] for other in rows)
        if not rows:
            chances[BROWSED] += chance

    for looks in product([True, False], repeat=len(products)):
        seen = [item for item, looked in zip(products, looks, strict=True) if looked]
        chance = 1.0
        for position, looked in enumerate(looks, start=1):
            chance *= position**-0.5 if looked else 1 - position**-0.5
        of = {grade: [row for row, its in seen if its == grade] for grade in (EXACT, SUBSTITUTE, COMPLEMENT)}
        chances[BROWSED] += chance * (1 - share)
        chance *= share
        if of[EXACT]:
            buy(of[EXACT], chance * exact)
        else:
            buy(of[SUBSTITUTE], chance * exact * SETTLING)
            buy([], chance * exact * (1 - SETTLING))
        buy(of[SUBSTITUTE], chance * substitute)
        buy(of[COMPLEMENT], chance * complement)
        buy([row for row, _ in seen], chance * any_product)
    assert sum(chances.values()) == pytest.approx(1)
    return chances


@pytest.mark.parametrize("products", LISTS)
@pytest.mark.parametrize("share", [0.7, 1.0])
def test_purchases_follow_relevance_popularity_and_what_was_looked_at(
    products: list[tuple[int, int]], share: float
) -> None:
    shown, rng = lists_of(products), np.random.default_rng(1)
    bought = buy_from_lists(browsed(), shown, look_at_results(shown, rng), POPULARITY, share, rng)
    assert bought.session.tolist() == list(range(SESSIONS))  # each goes on buying once
    found = np.bincount(bought.product, minlength=len(POPULARITY)) / SESSIONS
    for row, chance in slow_chances(products, share).items():
        assert abs(found[row] - chance) < 4.5 * np.sqrt(chance * (1 - chance) / SESSIONS) + 1e-9, row


def test_nothing_depends_on_the_lists_where_no_share_of_the_purchases_does() -> None:
    shown, rng = lists_of(LISTS[0]), np.random.default_rng(2)
    bought = buy_from_lists(browsed(), shown, look_at_results(shown, rng), POPULARITY, 0.0, rng)
    assert (bought.product == BROWSED).all() and len(bought.session) == SESSIONS


def test_a_product_that_a_session_draws_twice_is_bought_once() -> None:
    twice = Purchases(np.array([0, 0, 1]), np.array([7, 8, BROWSED]))
    shown = Impressions(np.array([0]), np.array([1]), np.array([EXACT], dtype=np.int8), np.array([1]))
    found = [
        buy_from_lists(twice, shown, np.array([True]), POPULARITY, 1.0, np.random.default_rng(seed))
        for seed in range(9)
    ]
    assert [0] in [it.session[it.session == 0].tolist() for it in found]
    assert all(it.product[it.session == 1].tolist() == [BROWSED] for it in found)  # it was shown nothing
