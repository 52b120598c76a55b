"""The search engine of the sample shop, an ordinary one: it knows the words of products and what sells, nothing else.

The words of a query are compared with those of a product's title and category by BM25, and popular products get a
bonus. So the engine misses what only the photo shows and what a title says in other words, and it finds products of
other types that have a word of the query.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import bm25s
import numpy as np
import Stemmer
from numpy.typing import NDArray

from training.sample_shop.catalogue import Rows

K1, B, METHOD = 1.5, 0.75, "lucene"
LANGUAGE = "english"  # of the Snowball stemmer and of the stop words
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
        self._index = bm25s.BM25(k1=K1, b=B, method=METHOD)
        self._index.index(_words(texts), show_progress=False)
        self._bonus = POPULARITY_WEIGHT * np.log(popularity / popularity.mean())

    def search(self, queries: Sequence[str]) -> Iterator[Candidates]:
        """Yield the candidates of each query."""
        for words in _words(queries):
            if not words:
                yield Candidates(np.empty(0, dtype=np.int64), np.empty(0))
                continue
            by_words = self._index.get_scores(words)
            found = np.flatnonzero(by_words > 0)
            scores = by_words[found] + self._bonus[found]
            best = np.argsort(-scores, kind="stable")[:CANDIDATES]
            yield Candidates(found[best], scores[best])


def _words(texts: Sequence[str]) -> list[list[str]]:
    """Return the stems of the words of each text, without stop words and single letters."""
    stemmer = Stemmer.Stemmer(LANGUAGE)
    words: list[list[str]] = bm25s.tokenize(
        list(texts), stopwords=LANGUAGE, stemmer=stemmer, return_ids=False, show_progress=False
    )
    return words
