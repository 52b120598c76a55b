"""The search engine of the sample shop, an ordinary one: it knows the words of products and what sells, nothing else.

The words of a query are compared with those of a product's title and category by BM25 (artifacts/bm25.py), and popular
products get a bonus. So the engine misses what only the photo shows and what a title says in other words, and it finds
products of other types that have a word of the query.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from artifacts.bm25 import Bm25Index
from training.sample_shop.catalogue import Rows

# The bonus of a product e times as popular as another is higher by this. For comparison, BM25 gives about 0.9 for the
# name of a common type and 1.5 for a rare feature.
POPULARITY_WEIGHT = 0.2
CANDIDATES = 50

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Candidates:
    """The best products for a query, best first: CANDIDATES, or fewer where fewer share a word with it."""

    products: Rows
    scores: Scores


class SearchEngine:
    """An index of the words of all products."""

    def __init__(self, texts: Sequence[str], popularity: Scores) -> None:
        """Index the products.

        Args:
            texts: title and category of each product.
            popularity: demand for each product, above 0, in any unit.
        """
        self._index = Bm25Index(texts)
        self._bonus = POPULARITY_WEIGHT * np.log(popularity / popularity.mean())

    def search(self, queries: Sequence[str]) -> Iterator[Candidates]:
        """Yield the candidates of each query."""
        for by_words in self._index.all_scores(queries):
            found = np.flatnonzero(by_words > 0)
            scores = by_words[found] + self._bonus[found]
            best = np.argsort(-scores, kind="stable")[:CANDIDATES]
            yield Candidates(found[best], scores[best])
