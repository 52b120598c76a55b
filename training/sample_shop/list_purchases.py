"""Purchases that depend on what a search shows, for simulations in which a model's lists train the next model.

A share of the purchases is made from the list. Such a shopper wants a relevance, drawn as in purchases.py, and buys a
product of it among those that were looked at, by popularity. Where none of them is Exact and an Exact one is wanted,
half of the shoppers settle for a Substitute that they looked at (SETTLING). All others find by browsing what they would
have bought anyway.
"""

import numpy as np
from numpy.typing import NDArray

from training.sample_shop.catalogue import Rows
from training.sample_shop.labels import EXACT, SUBSTITUTE
from training.sample_shop.purchases import PURCHASE_SHARES, Purchases
from training.sample_shop.result_lists import SHOWN, Impressions

SETTLING = 0.5  # share that takes a Substitute where nothing Exact was looked at
ANY = len(PURCHASE_SHARES) - 1  # the relevance wanted by shoppers who take any product; the others are grades
_NOTHING = -1


def buy_from_lists(
    bought: Purchases,
    shown: Impressions,
    looked_at: NDArray[np.bool_],
    popularity: NDArray[np.float64],
    share: float,
    rng: np.random.Generator,
) -> Purchases:
    """Draw a share of the purchases anew, among the products that the shoppers looked at.

    Args:
        bought: what the shoppers buy without regard to what is shown; they go on buying as often.
        shown: what they are shown.
        looked_at: which of it they look at.
        popularity: of all products, above 0.
        share: from 0 to 1, of the purchases that are made from the list where it has what the shopper wants.
        rng: generator of all random draws.

    Returns:
        The purchases. A product that a session draws twice is bought once.
    """
    count = len(bought.session)
    from_list = rng.random(count) < share
    wanted = np.searchsorted(np.cumsum(PURCHASE_SHARES)[:-1], rng.random(count), side="right")
    settles = rng.random(count) < SETTLING
    draw = rng.random(count)
    sessions = int(max(shown.session.max(initial=0), bought.session.max(initial=0))) + 1
    products = _by_session(shown.session, shown.position, np.where(looked_at, shown.product, _NOTHING), sessions)
    grades = _by_session(shown.session, shown.position, shown.grade.astype(np.int64), sessions)

    seen, grade = products[bought.session], grades[bought.session]  # a row for each purchase
    is_seen = seen != _NOTHING
    fits = is_seen & ((grade == wanted[:, None]) | (wanted == ANY)[:, None])
    settling = settles & (wanted == EXACT) & ~fits.any(axis=1)
    fits |= settling[:, None] & is_seen & (grade == SUBSTITUTE)
    bounds = np.cumsum(np.where(fits, popularity[seen], 0.0), axis=1)
    place = np.argmax(bounds > (draw * bounds[:, -1])[:, None], axis=1)
    chosen = np.take_along_axis(seen, place[:, None], axis=1)[:, 0]
    product = np.where(from_list & fits.any(axis=1), chosen, bought.product)
    pairs = np.unique(np.stack([bought.session, product]), axis=1)
    return Purchases(pairs[0], pairs[1])


def _by_session(session: Rows, position: Rows, values: Rows, sessions: int) -> Rows:
    """Lay the values of impressions out by session and position, shape (sessions, SHOWN[1]); _NOTHING elsewhere."""
    table = np.full((sessions, SHOWN[1]), _NOTHING, dtype=np.int64)
    table[session, position - 1] = values
    return table
