"""The places of held-out purchases in the rankings of their queries, with and without popularity."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from towers.query_encoder import Vectors

_PRODUCTS_PER_BLOCK = 1 << 14
_Numbers = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class HeldOutPurchases:
    """Queries that training never saw, and what was bought for them.

    Attributes:
        queries: (m, D) unit vectors.
        products: (n, D) unit vectors of the catalogue.
        bought: for each query the rows of the products that were bought, distinct and at least one.
        sold: (n,) how often each product was bought in the training window.
    """

    queries: Vectors
    products: Vectors
    bought: Sequence[Rows]
    sold: Rows

    @cached_property
    def query_of(self) -> Rows:
        """The query of each purchase, in the order of `bought`, (p,)."""
        return np.repeat(np.arange(len(self.bought)), [len(rows) for rows in self.bought])

    @cached_property
    def product_of(self) -> Rows:
        """The product of each purchase, in the order of `bought`, (p,)."""
        return np.concatenate(self.bought)

    def only(self, queries: Rows) -> "HeldOutPurchases":
        """Return the same with some of the queries."""
        return replace(self, queries=self.queries[queries], bought=[self.bought[query] for query in queries])

    def recalls(self, places: Rows, depth: int) -> _Numbers:
        """Return for each query the share of its purchases whose places are below `depth`, (m,)."""
        found = np.bincount(self.query_of, places < depth, len(self.bought))
        return found / np.bincount(self.query_of, minlength=len(self.bought))


@dataclass(frozen=True, eq=False)
class Scoring:
    """What popularity adds to cosines: the score of query q and product p is cos(q, p) + weights[q] priors[p].

    Attributes:
        priors: (n,) float32.
        weights: (m,) float32.
    """

    priors: Vectors
    weights: Vectors


def purchase_places(held_out: HeldOutPurchases, scorings: Sequence[Scoring]) -> list[Rows]:
    """Return for each scoring the place of every purchase, (p,): how many products have a higher score.

    The catalogue is scored in blocks, so that memory is bounded; twice, so that all scores come from the same products
    of matrices, which other shapes might round otherwise.
    """
    bought, query_of = held_out.product_of, held_out.query_of
    scores = [np.empty(len(bought), np.float32) for _ in scorings]
    for start, cosines in _blocks(held_out):
        here = np.flatnonzero((bought >= start) & (bought < start + cosines.shape[1]))
        found = cosines[query_of[here], bought[here] - start]
        for of_purchases, scoring in zip(scores, scorings, strict=True):
            of_purchases[here] = found + scoring.weights[query_of[here]] * scoring.priors[bought[here]]
    of_query = np.split(np.arange(len(bought)), np.cumsum([len(rows) for rows in held_out.bought])[:-1])
    places = [np.zeros(len(bought), np.int64) for _ in scorings]
    for start, cosines in _blocks(held_out):
        block = slice(start, start + cosines.shape[1])
        for query, purchases in enumerate(of_query):
            for place, of_purchases, scoring in zip(places, scores, scorings, strict=True):
                row = cosines[query] + scoring.weights[query] * scoring.priors[block]
                place[purchases] += np.count_nonzero(row > of_purchases[purchases, None], axis=1)
    return places


def _blocks(held_out: HeldOutPurchases) -> Iterator[tuple[int, Vectors]]:
    """Yield the first row of each block of products, and the cosines of all queries with its products."""
    for start in range(0, len(held_out.products), _PRODUCTS_PER_BLOCK):
        yield start, held_out.queries @ held_out.products[start : start + _PRODUCTS_PER_BLOCK].T
