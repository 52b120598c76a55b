"""What the shoppers of the sample shop buy: it depends on relevance and popularity, not on what a search shows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.sample_shop.catalogue import Codes, Products, Rows
from training.sample_shop.labels import RelevanceRule

PURCHASE_COUNT_SHARES = (0.22, 0.54, 0.19, 0.05)  # shares of sessions that buy 0, 1, 2 and 3 products
PURCHASE_SHARES = (0.88, 0.10, 0.01, 0.01)  # by what is asked for: exact, substitute, complement, any product

_MOST = len(PURCHASE_COUNT_SHARES) - 1
# Random numbers for each session that an earlier simulation used between these draws, for what it showed. They are
# skipped, so that the purchases of a seed, and all that was measured with them, stay the same.
_SKIPPED = 20


@dataclass(frozen=True)
class Purchases:
    """The products that each session buys, each once, sorted by session and product."""

    session: Rows
    product: Rows


def draw_purchases(products: Products, rule: RelevanceRule, intents: Codes, rng: np.random.Generator) -> Purchases:
    """Draw 0 to 3 products for each session: first the relevance, and then a product of it by popularity.

    An exact product is drawn where no product has the relevance; any product of the catalogue can be the last one.

    Args:
        products: the catalogue.
        rule: the relevance rule.
        intents: intent of each session, shape (sessions, len(ATTRIBUTES)).
        rng: generator of all random draws.
    """
    count = len(intents)
    rng.random((count, _SKIPPED))
    pool_of = np.searchsorted(np.cumsum(PURCHASE_SHARES)[:-1], rng.random((count, _MOST)), side="right")
    bought = np.empty((count, _MOST), dtype=np.int64)
    everything = np.arange(len(products))
    distinct, group = np.unique(intents, axis=0, return_inverse=True)
    by_group = np.split(np.argsort(group, kind="stable"), np.cumsum(np.bincount(group))[:-1])
    for intent, members in zip(distinct, by_group, strict=True):  # these sessions have the same candidates
        relevant = rule.relevant(intent)
        pools = (relevant.exact, relevant.substitutes, relevant.complements, everything)
        rng.random((len(members), _SKIPPED))
        bought[members] = _drawn(pools, pool_of[members], products.popularity, rng)
    wanted = rng.choice(len(PURCHASE_COUNT_SHARES), count, p=PURCHASE_COUNT_SHARES)
    session, place = np.nonzero(np.arange(_MOST) < wanted[:, None])
    pairs = np.unique(np.stack([session, bought[session, place]]), axis=1)
    return Purchases(pairs[0], pairs[1])


def _drawn(
    pools: Sequence[Rows], pool_of: NDArray[np.int64], weight: NDArray[np.float64], rng: np.random.Generator
) -> Rows:
    """Draw a product from each of the pools that are named, by weight, and return them in the shape of `pool_of`."""
    drawn = np.empty(pool_of.shape, dtype=np.int64)
    for code, pool in enumerate(pools):
        wanted = pool_of == code
        count = int(np.count_nonzero(wanted))
        if count:
            candidates = pool if len(pool) else pools[0]
            bounds = np.cumsum(weight[candidates])
            places = np.searchsorted(bounds, rng.random(count) * bounds[-1], side="right")
            drawn[wanted] = candidates[np.minimum(places, len(candidates) - 1)]
    return drawn
