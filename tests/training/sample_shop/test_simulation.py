"""What the shoppers of the sample shop are shown, look at, click and buy."""

import numpy as np
import pytest

from training.sample_shop.catalogue import Products, make_products
from training.sample_shop.labels import EXACT, IRRELEVANT, SUBSTITUTE, RelevanceRule
from training.sample_shop.purchases import PURCHASE_COUNT_SHARES, Purchases, draw_purchases
from training.sample_shop.queries import QueryLog, draw_intents, write_queries
from training.sample_shop.result_lists import Impressions, show_results
from training.sample_shop.search_engine import SearchEngine
from training.sample_shop.simulation import (
    CLICK,
    CLICK_SHARES,
    IMPRESSION,
    NOT_SHOWN,
    PURCHASE,
    Events,
    Sessions,
    look_at_results,
    simulate,
)

SESSIONS, POSITIONS = 4000, 12


@pytest.fixture(scope="module")
def products() -> Products:
    return make_products(240, np.random.default_rng(1))


def shown(grade: int) -> Impressions:
    """Lists of the same products, all of one grade."""
    return Impressions(
        session=np.repeat(np.arange(SESSIONS), POSITIONS),
        product=np.tile(np.arange(POSITIONS), SESSIONS),
        grade=np.full(SESSIONS * POSITIONS, grade, dtype=np.int8),
        position=np.tile(np.arange(1, POSITIONS + 1), SESSIONS),
    )


def played(grade: int, bought: Purchases) -> Events:
    sessions = Sessions(np.arange(SESSIONS) * 2000, np.zeros(SESSIONS, dtype=np.bool_))
    lists, rng = shown(grade), np.random.default_rng(0)
    return simulate(lists, look_at_results(lists, rng), bought, sessions, rng)


def purchases(session: list[int], product: list[int]) -> Purchases:
    return Purchases(np.array(session, dtype=np.int64), np.array(product, dtype=np.int64))


@pytest.mark.parametrize("grade", [EXACT, SUBSTITUTE, IRRELEVANT])
def test_clicks_fall_with_position_and_relevance(grade: int) -> None:
    events = played(grade, purchases([], []))
    clicks = np.bincount(events.position[events.event == CLICK], minlength=POSITIONS + 1)[1:]
    wanted = CLICK_SHARES[grade] / np.sqrt(np.arange(1, POSITIONS + 1))
    assert np.abs(clicks / SESSIONS - wanted).max() < 4 * np.sqrt(wanted.max() / SESSIONS)
    assert np.count_nonzero(events.event == IMPRESSION) == SESSIONS * POSITIONS


def test_a_purchase_has_position_and_click_only_if_the_product_was_shown() -> None:
    events = played(IRRELEVANT, purchases([5, 5, 9], [3, 70, 3]))
    bought = events.event == PURCHASE
    found = zip(events.session[bought], events.product[bought], events.position[bought], strict=True)
    assert [tuple(map(int, row)) for row in found] == [(5, 70, NOT_SHOWN), (5, 3, 4), (9, 3, 4)]
    clicks = events.event == CLICK
    clicked = {
        (session, product): second
        for session, product, second in zip(
            *(values[clicks].tolist() for values in (events.session, events.product, events.seconds)), strict=True
        )
    }
    browsed, *listed = events.seconds[bought].tolist()
    assert [second > clicked[session, 3] for session, second in zip((5, 9), listed, strict=True)] == [True, True]
    assert (5, 70) not in clicked and browsed > 5 * 2000


def test_lists_are_those_of_the_engine_shuffled_a_little(products: Products) -> None:
    texts = [f"mug number{row}" for row in range(200)] + ["kite"] * 5 + ["sofa"] * 35
    engine = SearchEngine(texts, products.popularity)
    queries = QueryLog(
        query_of_session=np.array([0, 1, 2] * 300),
        texts=("mug", "kite", "zither"),
        intents=np.tile(np.array([0, -1, -1, -1, -1, -1], dtype=np.int16), (3, 1)),
    )
    lists = show_results(engine, RelevanceRule(products), queries, np.random.default_rng(2))
    by_session = [lists.product[lists.session == session].tolist() for session in range(900)]
    assert {len(products) for products in by_session[0::3]} == set(range(9, 17))
    assert all(sorted(products) == list(range(200, 205)) for products in by_session[1::3])
    assert by_session[2::3] == [[]] * 300
    assert all(len(set(products)) == len(products) for products in by_session)
    assert len({tuple(products) for products in by_session[0::3]}) > 290
    best = next(iter(engine.search(["mug"]))).products
    assert sum(best[0] in products for products in by_session[0::3]) > 200  # by chance in 75 of the 300
    assert lists.position.tolist() == [place for products in by_session for place in range(1, len(products) + 1)]


def test_purchases_do_not_depend_on_what_is_shown(products: Products) -> None:
    intents = draw_intents(products, 3000, np.random.default_rng(3))
    rule = RelevanceRule(products)
    one, again = (draw_purchases(products, rule, intents, np.random.default_rng(4)) for _ in range(2))
    assert np.array_equal(one.session, again.session) and np.array_equal(one.product, again.product)
    assert len({*zip(one.session.tolist(), one.product.tolist(), strict=True)}) == len(one.session)
    counts = np.bincount(np.bincount(one.session, minlength=3000), minlength=4) / 3000
    assert counts[0] == pytest.approx(PURCHASE_COUNT_SHARES[0], abs=0.03)
    assert counts[3] <= PURCHASE_COUNT_SHARES[3] + 0.02  # fewer where a product was drawn twice
    assert write_queries(intents, np.random.default_rng(5)).intents.shape[1] == intents.shape[1]
