"""The simulated search log of the sample shop: 13 months, of which the last is for evaluation.

1. A shopper has a product in mind, drawn by popularity (Zipf's law with catalogue.POPULARITY_EXPONENT). The query
   states its type and, at random, other attributes (queries.STATES); queries.write_queries chooses the words.
2. A noisy search engine that knows all attributes shows between 9 and 16 products (SHOWN). For each slot the relevance
   is drawn (SLOT_SHARES), and then a product of that relevance with a probability in proportion to its popularity to
   the power of EXPOSURE_EXPONENT. A product is shown once. More relevant products tend to have better positions
   (ORDER_PENALTY).
3. The shopper buys 0 to 3 products (PURCHASE_COUNT_SHARES). For each, the relevance is drawn (PURCHASE_SHARES), and
   then the product by popularity. Products that are bought are also shown and clicked.
4. Other products that are shown are clicked at random. The probability falls with the relevance and with the position
   (CLICK_SHARES, CLICK_DECAY).
5. Sessions begin at random times in the 13 months, and none continues after midnight, so that no session lies on both
   sides of the beginning of the evaluation month.

If no product has the relevance that was drawn, an exact one is drawn instead. Unrelated products are drawn from the
whole catalogue.
"""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.sample_shop.catalogue import Codes, Products, Rows
from training.sample_shop.labels import RelevanceRule

SESSIONS_PER_PRODUCT = 9
LOG_START = datetime.date(2025, 10, 1)
EVALUATION_START = datetime.date(2026, 10, 1)
LOG_END = datetime.date(2026, 11, 1)  # not included

# Shares by relevance: exact, substitute, complement, unrelated.
SLOT_SHARES = (0.64, 0.23, 0.04, 0.09)
PURCHASE_SHARES = (0.88, 0.10, 0.01, 0.01)
ORDER_PENALTY = (0.0, 0.15, 0.4, 0.5)  # added to a random number from 0 to 1; the list is sorted by the sum
CLICK_SHARES = (0.16, 0.08, 0.04, 0.02)  # at the first position
CLICK_DECAY = 0.08  # at position p, divided by 1 + CLICK_DECAY * (p - 1)

SLOTS = 20  # products drawn per session; repeats, and those beyond the number shown, are dropped
SHOWN = (9, 16)  # fewest and most products shown in a session
PURCHASE_COUNT_SHARES = (0.22, 0.54, 0.19, 0.05)  # shares of sessions that buy 0, 1, 2 and 3 products
EXPOSURE_EXPONENT = 0.6

SESSION_MAX_SECONDS = 1800
_SECONDS_PER_DAY = 86_400
_CLICK_SECONDS = 15  # a click comes after this time plus _CLICK_SECONDS_PER_POSITION times the position
_CLICK_SECONDS_PER_POSITION = 8
_PURCHASE_SECONDS = (120, 900)  # range of the time from click to purchase

_MOST_PURCHASES = len(PURCHASE_COUNT_SHARES) - 1
_NOTHING = -1  # fills up the products bought in a session that buys fewer
IMPRESSION, CLICK, PURCHASE = range(3)  # codes of artifacts.interactions.EVENTS


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
    position: NDArray[np.int32]  # rank at which the product was shown, from 1
    seconds: NDArray[np.int64]  # since LOG_START


@dataclass(frozen=True)
class _Choices:
    """The products drawn for slots and purchases, before repeats are dropped."""

    shown: Rows  # shape (sessions, SLOTS)
    slot_relevance: NDArray[np.int8]  # the same shape; from 0 (exact) to 3 (unrelated)
    bought: Rows  # shape (sessions, _MOST_PURCHASES)
    bought_relevance: NDArray[np.int8]  # the same shape


@dataclass(frozen=True)
class _Impressions:
    """The products shown, sorted by session and position."""

    session: Rows
    product: Rows
    relevance: NDArray[np.int8]
    bought: NDArray[np.bool_]
    position: NDArray[np.int64]


def schedule(sessions: int, rng: np.random.Generator) -> Sessions:
    """Draw the start times of the sessions."""
    days = rng.integers(0, (LOG_END - LOG_START).days, sessions)
    starts = np.sort(days * _SECONDS_PER_DAY + rng.integers(0, _SECONDS_PER_DAY - SESSION_MAX_SECONDS, sessions))
    evaluation_seconds = (EVALUATION_START - LOG_START).days * _SECONDS_PER_DAY
    return Sessions(starts, starts >= evaluation_seconds)


def simulate(
    products: Products, rule: RelevanceRule, intents: Codes, sessions: Sessions, rng: np.random.Generator
) -> Events:
    """Simulate all sessions and return their events.

    Args:
        products: the catalogue.
        rule: the relevance rule.
        intents: intent of each session, shape (sessions, len(ATTRIBUTES)).
        sessions: start times of the sessions.
        rng: generator of all random draws.
    """
    choices = _choose(products, rule, intents, rng)
    return _events(_impressions(choices, len(products), rng), sessions, rng)


def _choose(products: Products, rule: RelevanceRule, intents: Codes, rng: np.random.Generator) -> _Choices:
    """Draw products for steps 2 and 3, for all sessions of an intent at once, which have the same candidates."""
    count = len(intents)
    slots = _relevances(SLOT_SHARES, (count, SLOTS), rng)
    buys = _relevances(PURCHASE_SHARES, (count, _MOST_PURCHASES), rng)
    shown, bought = np.empty(slots.shape, dtype=np.int64), np.empty(buys.shape, dtype=np.int64)
    exposure = products.popularity**EXPOSURE_EXPONENT
    everything = np.arange(len(products))
    distinct, group = np.unique(intents, axis=0, return_inverse=True)
    by_group = np.split(np.argsort(group, kind="stable"), np.cumsum(np.bincount(group))[:-1])
    for intent, members in zip(distinct, by_group, strict=True):
        relevant = rule.relevant(intent)
        pools = (relevant.exact, relevant.substitutes, relevant.complements, everything)
        shown[members] = _drawn(pools, slots[members], exposure, rng)
        bought[members] = _drawn(pools, buys[members], products.popularity, rng)
    purchases = rng.choice(len(PURCHASE_COUNT_SHARES), count, p=PURCHASE_COUNT_SHARES)
    bought[np.arange(_MOST_PURCHASES) >= purchases[:, None]] = _NOTHING
    return _Choices(shown, slots, bought, buys)


def _relevances(shares: tuple[float, ...], shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.int8]:
    bounds = np.cumsum(shares)[:-1]
    return np.searchsorted(bounds, rng.random(shape), side="right").astype(np.int8)


def _drawn(
    pools: Sequence[Rows], relevance: NDArray[np.int8], weight: NDArray[np.float64], rng: np.random.Generator
) -> Rows:
    """Draw a product for each relevance from its pool, by weight, and return them in the shape of `relevance`."""
    drawn = np.empty(relevance.shape, dtype=np.int64)
    for code, pool in enumerate(pools):
        wanted = relevance == code
        count = int(np.count_nonzero(wanted))
        if count:
            candidates = pool if len(pool) else pools[0]
            bounds = np.cumsum(weight[candidates])
            places = np.searchsorted(bounds, rng.random(count) * bounds[-1], side="right")
            drawn[wanted] = candidates[np.minimum(places, len(candidates) - 1)]
    return drawn


def _impressions(choices: _Choices, products: int, rng: np.random.Generator) -> _Impressions:
    """Order the products shown (step 2): each once per session; all that are bought, others up to the number shown."""
    count = len(choices.shown)
    session = np.repeat(np.arange(count), _MOST_PURCHASES + SLOTS)
    product = np.concatenate([choices.bought, choices.shown], axis=1).ravel()
    relevance = np.concatenate([choices.bought_relevance, choices.slot_relevance], axis=1).ravel()
    bought = np.zeros((count, _MOST_PURCHASES + SLOTS), dtype=np.bool_)
    bought[:, :_MOST_PURCHASES] = True
    real = np.flatnonzero(product != _NOTHING)
    _, first = np.unique(session[real] * products + product[real], return_index=True)
    kept = real[first]  # of a product drawn for both, the purchase is kept: it comes before the slots
    score = rng.random(len(kept)) + np.array(ORDER_PENALTY)[relevance[kept]]
    kept = kept[np.lexsort((score, session[kept]))]
    shown = rng.integers(SHOWN[0], SHOWN[1] + 1, count)
    kept = kept[(_rank(session[kept]) <= shown[session[kept]]) | bought.ravel()[kept]]
    return _Impressions(session[kept], product[kept], relevance[kept], bought.ravel()[kept], _rank(session[kept]))


def _rank(session: Rows) -> NDArray[np.int64]:
    """Return the position of each row in its session, from 1; rows of a session are adjacent."""
    starts = np.flatnonzero(np.diff(session, prepend=-1))
    lengths = np.diff(starts, append=len(session))
    ranks: NDArray[np.int64] = np.arange(1, len(session) + 1) - np.repeat(starts, lengths)
    return ranks


def _events(shown: _Impressions, sessions: Sessions, rng: np.random.Generator) -> Events:
    """Draw clicks (step 4) and the times of all events, and return the sorted events."""
    click_share = np.array(CLICK_SHARES)[shown.relevance] / (1 + CLICK_DECAY * (shown.position - 1))
    clicked = np.flatnonzero(shown.bought | (rng.random(len(shown.session)) < click_share))
    bought = np.flatnonzero(shown.bought)
    seen_at = sessions.start_seconds[shown.session]
    clicked_at = seen_at + _CLICK_SECONDS + _CLICK_SECONDS_PER_POSITION * shown.position
    bought_at = clicked_at + rng.integers(*_PURCHASE_SECONDS, len(seen_at))
    rows = np.concatenate([np.arange(len(seen_at)), clicked, bought])
    event = np.repeat(np.array([IMPRESSION, CLICK, PURCHASE], dtype=np.int8), (len(seen_at), len(clicked), len(bought)))
    seconds = np.concatenate([seen_at, clicked_at[clicked], bought_at[bought]])
    order = np.lexsort((shown.position[rows], event, shown.session[rows]))
    rows = rows[order]
    return Events(
        session=shown.session[rows],
        product=shown.product[rows],
        event=event[order],
        position=shown.position[rows].astype(np.int32),
        seconds=seconds[order],
    )
