"""The simulated search log of the sample shop: 13 months, of which the last is for evaluation.

1. A shopper has a product in mind, drawn by popularity (Zipf's law with catalogue.POPULARITY_EXPONENT). The query
   states its type and, at random, other attributes (queries.STATES); queries.write_queries chooses the words.
2. An ordinary search engine shows about 12 products (search_engine.py, result_lists.py).
3. The shopper looks at the product in position p with probability p ** -EXAMINATION_EXPONENT, and clicks on what was
   looked at with a probability that depends on its relevance (CLICK_SHARES).
4. The shopper buys 0 to 3 products (purchases.py), whether the engine shows them or not. What is shown and bought is
   clicked. What is not shown is found by browsing: such a purchase has no impression, no click and no position.
5. Sessions begin at random times in the 13 months, and none continues after midnight, so that no session lies on both
   sides of the beginning of the evaluation month.
"""

import datetime
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.sample_shop.catalogue import Rows
from training.sample_shop.purchases import Purchases
from training.sample_shop.result_lists import Impressions

SESSIONS_PER_PRODUCT = 9
LOG_START = datetime.date(2025, 10, 1)
EVALUATION_START = datetime.date(2026, 10, 1)
LOG_END = datetime.date(2026, 11, 1)  # not included

EXAMINATION_EXPONENT = 0.5  # the sixteenth product is looked at a quarter as often as the first
CLICK_SHARES = (0.36, 0.15, 0.08, 0.02)  # of products looked at: exact, substitute, complement, irrelevant

SESSION_MAX_SECONDS = 1800
_SECONDS_PER_DAY = 86_400
_CLICK_SECONDS = 15  # a click comes after this time plus _CLICK_SECONDS_PER_POSITION times the position
_CLICK_SECONDS_PER_POSITION = 8
_PURCHASE_SECONDS = (120, 900)  # range of the time from the click, or without one from the search, to the purchase

IMPRESSION, CLICK, PURCHASE = range(3)  # codes of artifacts.interactions.EVENTS
NOT_SHOWN = 0  # position of a product that was found by browsing


@dataclass(frozen=True)
class Sessions:
    """The sessions in chronological order."""

    start_seconds: NDArray[np.int64]  # since LOG_START
    in_evaluation_month: NDArray[np.bool_]


@dataclass(frozen=True)
class Events:
    """The search log, one row per event, sorted by session, event type and position."""

    session: Rows
    product: Rows
    event: NDArray[np.int8]  # IMPRESSION, CLICK or PURCHASE
    position: NDArray[np.int32]  # rank at which the product was shown, from 1, or NOT_SHOWN
    seconds: NDArray[np.int64]  # since LOG_START


def schedule(sessions: int, rng: np.random.Generator) -> Sessions:
    """Draw the start times of the sessions."""
    days = rng.integers(0, (LOG_END - LOG_START).days, sessions)
    starts = np.sort(days * _SECONDS_PER_DAY + rng.integers(0, _SECONDS_PER_DAY - SESSION_MAX_SECONDS, sessions))
    evaluation_seconds = (EVALUATION_START - LOG_START).days * _SECONDS_PER_DAY
    return Sessions(starts, starts >= evaluation_seconds)


def look_at_results(shown: Impressions, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Draw which of the products shown the shoppers look at."""
    looked_at: NDArray[np.bool_] = rng.random(len(shown.session)) < shown.position**-EXAMINATION_EXPONENT
    return looked_at


def simulate(
    shown: Impressions,
    looked_at: NDArray[np.bool_],
    bought: Purchases,
    sessions: Sessions,
    rng: np.random.Generator,
) -> Events:
    """Draw the clicks and the times of all events.

    Args:
        shown: what the search engine shows.
        looked_at: which of it the shoppers look at.
        bought: what the shoppers buy.
        sessions: start times of the sessions.
        rng: generator of all random draws.
    """
    impression_of = _impressions_of(bought, shown, len(sessions.start_seconds))
    in_list = impression_of >= 0
    clicked = looked_at & (rng.random(len(shown.session)) < np.array(CLICK_SHARES)[shown.grade])
    clicked[impression_of[in_list]] = True
    clicks = np.flatnonzero(clicked)

    searched_at = sessions.start_seconds[shown.session]
    clicked_at = searched_at + _CLICK_SECONDS + _CLICK_SECONDS_PER_POSITION * shown.position
    bought_at = np.where(in_list, clicked_at[impression_of], sessions.start_seconds[bought.session])
    bought_at += rng.integers(*_PURCHASE_SECONDS, len(bought_at))

    session = np.concatenate([shown.session, shown.session[clicks], bought.session])
    product = np.concatenate([shown.product, shown.product[clicks], bought.product])
    event = np.repeat([IMPRESSION, CLICK, PURCHASE], [len(searched_at), len(clicks), len(bought_at)])
    bought_position = np.where(in_list, shown.position[impression_of], NOT_SHOWN)
    position = np.concatenate([shown.position, shown.position[clicks], bought_position])
    seconds = np.concatenate([searched_at, clicked_at[clicks], bought_at])
    order = np.lexsort((position, event, session))
    return Events(
        session=session[order],
        product=product[order],
        event=event[order].astype(np.int8),
        position=position[order].astype(np.int32),
        seconds=seconds[order],
    )


def _impressions_of(bought: Purchases, shown: Impressions, sessions: int) -> Rows:
    """Return the row of each purchase's impression, -1 if it has none."""
    keys = shown.product * sessions + shown.session
    wanted = bought.product * sessions + bought.session
    order = np.argsort(keys)
    rows = order[np.minimum(np.searchsorted(keys, wanted, sorter=order), len(keys) - 1)]
    found: Rows = np.where(keys[rows] == wanted, rows, -1)
    return found
