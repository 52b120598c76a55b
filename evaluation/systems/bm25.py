"""BM25 over titles, a context row: the result of matching words alone.

Lucene's variant with k1 = 1.5 and b = 0.75. Words have at least two letters, are put in lower case and stemmed by the
English Snowball stemmer; English stop words are removed. Products that share no word with the query are not retrieved.
The index holds one number for each word of each title; the memory bound of the search does not include it.
"""

import hashlib
import importlib.metadata
import importlib.util
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
from tqdm import tqdm

from evaluation.core.errors import EvaluationError
from evaluation.systems.system import Workspace
from evaluation.test_set.test_set import TestSet
from knn import Neighbours, no_neighbours

if TYPE_CHECKING:
    import bm25s

K1, B, METHOD, STEMMER, STOP_WORDS = 1.5, 0.75, "lucene", "english", "english"
_QUERIES_PER_BATCH = 256


@dataclass(frozen=True)
class Bm25System:
    """BM25 over titles, computed by the bm25s library."""

    name: str = "bm25"
    kind: Literal["context"] = "context"
    description: str = f"BM25 ({METHOD}, k1 {K1}, b {B}) over titles, {STEMMER} Snowball stems, no stop words"
    origin: None = None

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the settings and the libraries' versions."""
        versions = [importlib.metadata.version(package) for package in ("bm25s", "PyStemmer")]
        return hashlib.sha256("|".join([self.description, *versions]).encode()).hexdigest()

    def answer(self, test_set: TestSet, depth: int, workspace: Workspace) -> Neighbours:
        """Return the products with the highest-scoring titles for every query."""
        words = _Words()
        index = words.index(test_set.catalog.titles)
        found = no_neighbours(len(test_set.queries), depth)
        if index is None:
            return found
        with tqdm(total=len(test_set.queries), desc=f"search {self.name}", unit="query", disable=None) as bar:
            for start in range(0, len(test_set.queries), _QUERIES_PER_BATCH):
                chunk = slice(start, start + _QUERIES_PER_BATCH)
                tokens = words.split(test_set.queries[chunk])
                rows, scores = index.retrieve(tokens, k=depth, show_progress=False)
                order = np.lexsort((rows, -scores), axis=1)
                rows, scores = np.take_along_axis(rows, order, axis=1), np.take_along_axis(scores, order, axis=1)
                found.rows[chunk] = np.where(scores > 0, rows, -1)
                found.scores[chunk] = np.where(scores > 0, scores, -np.inf)
                bar.update(len(rows))
        return found


class _Words:
    """Splits titles and queries into stems."""

    @cached_property
    def _stemmer(self) -> object:
        import Stemmer

        return Stemmer.Stemmer(STEMMER)

    def split(self, texts: list[str]) -> list[list[str]]:
        """Return the stems of each text."""
        import bm25s

        tokens: list[list[str]] = bm25s.tokenize(
            texts, stopwords=STOP_WORDS, stemmer=self._stemmer, return_ids=False, show_progress=False
        )
        return tokens

    def index(self, titles: list[str]) -> "bm25s.BM25 | None":
        """Build an index over titles; None if no title has a word."""
        import bm25s

        tokens = self.split(titles)
        if not any(tokens):
            return None
        index = bm25s.BM25(k1=K1, b=B, method=METHOD)
        index.index(tokens, show_progress=False)
        return index


def bm25_system() -> Bm25System:
    """Return the BM25 system.

    Raises:
        EvaluationError: bm25s or PyStemmer is not installed.
    """
    for package in ("bm25s", "Stemmer"):
        if importlib.util.find_spec(package) is None:
            raise EvaluationError(f"--bm25 needs {package}; install it with: pip install 'vitrine[train]'")
    return Bm25System()
