"""BM25 over texts, by the library bm25s: the word search that models are compared with, and that of the sample shop.

Lucene's variant with k1 = 1.5 and b = 0.75. Words have at least two letters, are put in lower case and stemmed by the
English Snowball stemmer; English stop words are removed. bm25s and PyStemmer come with the extra `train` and are loaded
when the first index is made.
"""

import importlib.metadata
import importlib.util
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

K1, B, METHOD, LANGUAGE = 1.5, 0.75, "lucene", "english"
SETTINGS = f"{METHOD}, k1 {K1}, b {B}"
WORDS = f"{LANGUAGE} Snowball stems, no stop words"
_MODULES = {"bm25s": "bm25s", "PyStemmer": "Stemmer"}  # by the package that brings it
_QUERIES_PER_BATCH = 256

Rows = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float32]


def missing_module() -> str | None:
    """Return the first of the modules for BM25 that is not installed; None if all are."""
    return next((name for name in _MODULES.values() if importlib.util.find_spec(name) is None), None)


def library_versions() -> list[str]:
    """Return the versions of the packages that decide what is found."""
    return [importlib.metadata.version(package) for package in _MODULES]


class Bm25Index:
    """The words of texts."""

    def __init__(self, texts: Sequence[str]) -> None:
        """Index texts, in memory that grows with their number of words."""
        import bm25s
        import Stemmer

        self._stemmer = Stemmer.Stemmer(LANGUAGE)
        self._texts = len(texts)
        self._index: Any = None  # where no text has a word
        words = self._split(texts)
        if any(words):
            self._index = bm25s.BM25(k1=K1, b=B, method=METHOD)
            self._index.index(words, show_progress=False)

    def search(
        self, queries: Sequence[str], depth: int, progress: Callable[[int], object] = lambda _: None
    ) -> tuple[Rows, Scores]:
        """Return the numbers and scores of the best texts for every query, best first, each (queries, depth).

        Texts with equal scores stand in their order; which of them have the last places is left to the library. Texts
        that share no word with a query are not found: the places that are left have the number -1 and the score -inf.

        Args:
            queries: what is looked for.
            depth: most texts for a query.
            progress: is called with numbers of queries that were answered since the last call.
        """
        found = np.full((len(queries), depth), -1, np.int64), np.full((len(queries), depth), -np.inf, np.float32)
        most = min(depth, self._texts)
        for start in range(0, len(queries) if self._index else 0, _QUERIES_PER_BATCH):
            chunk = slice(start, start + _QUERIES_PER_BATCH)
            rows, scores = self._index.retrieve(self._split(queries[chunk]), k=most, show_progress=False)
            order = np.lexsort((rows, -scores), axis=1)
            rows, scores = np.take_along_axis(rows, order, axis=1), np.take_along_axis(scores, order, axis=1)
            found[0][chunk, :most] = np.where(scores > 0, rows, -1)
            found[1][chunk, :most] = np.where(scores > 0, scores, -np.inf)
            progress(len(rows))
        return found

    def all_scores(self, queries: Sequence[str]) -> Iterator[Scores]:
        """Yield for each query the scores of all texts, (texts,); 0 for those that share no word with it."""
        for words in self._split(queries):
            known = self._index is not None and bool(words)
            yield self._index.get_scores(words) if known else np.zeros(self._texts, np.float32)

    def _split(self, texts: Sequence[str]) -> list[list[str]]:
        """Return the stems of each text."""
        import bm25s

        words: list[list[str]] = bm25s.tokenize(
            list(texts), stopwords=LANGUAGE, stemmer=self._stemmer, return_ids=False, show_progress=False
        )
        return words
