"""BM25 over titles, or titles and fields, a context row: the result of matching words alone (artifacts/bm25.py).

Products that share no word with the query are not retrieved. The index holds one number for each word of each title;
the memory bound of the search does not include it.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tqdm import tqdm

from artifacts.bm25 import SETTINGS, WORDS, Bm25Index, library_versions, missing_module
from artifacts.product_text import can_be_field, plain_texts
from evaluation.core.errors import EvaluationError
from evaluation.systems.system import Workspace
from evaluation.test_set.test_set import TestSet
from knn import Neighbours


@dataclass(frozen=True)
class Bm25System:
    """BM25 over titles and, if some are given, fields; computed by the bm25s library.

    Attributes:
        fields: columns whose values are read after the titles, as text towers read them.
    """

    fields: tuple[str, ...] = ()
    kind: Literal["context"] = "context"
    origin: None = None

    @property
    def name(self) -> str:
        """The row's name; one with fields has its own, so that both can stand in a table."""
        return "bm25-fields" if self.fields else "bm25"

    @property
    def description(self) -> str:
        """What it is, in a sentence of the tables."""
        return f"BM25 ({SETTINGS}) over {', '.join(('titles', *self.fields))}, {WORDS}"

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the settings and the libraries' versions."""
        return hashlib.sha256("|".join([self.description, *library_versions()]).encode()).hexdigest()

    def answer(self, test_set: TestSet, depth: int, workspace: Workspace) -> Neighbours:
        """Return the products with the highest-scoring texts for every query.

        Raises:
            EvaluationError: the catalogue has no such column of text.
        """
        table = test_set.catalog.table
        for field in self.fields:
            if field not in table.column_names or not can_be_field(table.schema.field(field).type):
                raise EvaluationError(f"--bm25-field {field}: {test_set.catalog.path} has no such column of text")
        index = Bm25Index(plain_texts(table, self.fields))
        with tqdm(total=len(test_set.queries), desc=f"search {self.name}", unit="query", disable=None) as bar:
            rows, scores = index.search(test_set.queries, depth, bar.update)
        return Neighbours(scores=scores, rows=rows)


def bm25_system(fields: Sequence[str] = ()) -> Bm25System:
    """Return the BM25 system over titles and these columns.

    Raises:
        EvaluationError: bm25s or PyStemmer is not installed.
    """
    if missing := missing_module():
        raise EvaluationError(f"--bm25 needs {missing}; install it with: pip install 'vitrine[train]'")
    return Bm25System(tuple(fields))
