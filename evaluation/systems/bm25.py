"""BM25 over titles, a context row: the result of matching words alone (artifacts/bm25.py).

Products that share no word with the query are not retrieved. The index holds one number for each word of each title;
the memory bound of the search does not include it.
"""

import hashlib
from dataclasses import dataclass
from typing import Literal

from tqdm import tqdm

from artifacts.bm25 import SETTINGS, WORDS, Bm25Index, library_versions, missing_module
from evaluation.core.errors import EvaluationError
from evaluation.systems.system import Workspace
from evaluation.test_set.test_set import TestSet
from knn import Neighbours


@dataclass(frozen=True)
class Bm25System:
    """BM25 over titles, computed by the bm25s library."""

    name: str = "bm25"
    kind: Literal["context"] = "context"
    description: str = f"BM25 ({SETTINGS}) over titles, {WORDS}"
    origin: None = None

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the settings and the libraries' versions."""
        return hashlib.sha256("|".join([self.description, *library_versions()]).encode()).hexdigest()

    def answer(self, test_set: TestSet, depth: int, workspace: Workspace) -> Neighbours:
        """Return the products with the highest-scoring titles for every query."""
        index = Bm25Index(test_set.catalog.titles)
        with tqdm(total=len(test_set.queries), desc=f"search {self.name}", unit="query", disable=None) as bar:
            rows, scores = index.search(test_set.queries, depth, bar.update)
        return Neighbours(scores=scores, rows=rows)


def bm25_system() -> Bm25System:
    """Return the BM25 system.

    Raises:
        EvaluationError: bm25s or PyStemmer is not installed.
    """
    if missing := missing_module():
        raise EvaluationError(f"--bm25 needs {missing}; install it with: pip install 'vitrine[train]'")
    return Bm25System()
