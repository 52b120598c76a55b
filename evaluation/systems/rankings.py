"""Rankings that read words, as the service makes them: by the words alone, and by words and vectors together.

The words are those that a version of the test set's catalogue would have (lexical/), typing errors are corrected and
identifiers come first. `hybrid` fuses the first FUSED_DEPTH products of either ranking, as a page within that depth is
served, so that it finds at most twice as many.
"""

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from tqdm import tqdm

from artifacts.query_text import normalise_query
from artifacts.tokenizer_words import known_words
from artifacts.word_columns import field_texts, identifier_values, word_columns
from evaluation.systems.system import ModelSystem, Workspace
from evaluation.test_set.test_set import TestSet
from knn import Neighbours, no_neighbours
from lexical import ProductTexts, QueryWords, WordIndex, write_words
from lexical.rank_fusion import FUSED_DEPTH, RANK_CONSTANT, fuse


@dataclass(frozen=True)
class WordsSystem:
    """BM25 over the fields of a version's words.

    Attributes:
        query_folders: query sides of models, whose tokenizers know words that are no typing errors.
    """

    query_folders: tuple[Path, ...] = ()
    name: str = "words"
    kind: Literal["context"] = "context"
    origin: None = None
    description: str = "BM25 over the fields of a version's words, typing errors corrected, identifiers first"

    @cached_property
    def known_words(self) -> frozenset[str]:
        """Words that are not corrected even if no product has them."""
        return frozenset(word for folder in self.query_folders for word in known_words(folder))

    @property
    def fingerprint(self) -> str:
        """SHA-256 over what it is and the words that it knows."""
        return hashlib.sha256("\n".join([self.description, *sorted(self.known_words)]).encode()).hexdigest()

    def answer(self, test_set: TestSet, depth: int, workspace: Workspace) -> Neighbours:
        """Return the products with the highest scores for every query; places that are left have the row -1."""
        found = no_neighbours(len(test_set.queries), depth)
        with tempfile.TemporaryDirectory() as folder:
            index = self.index(test_set, Path(folder) / "words")
            for place, query in enumerate(tqdm(test_set.queries, desc="search words", unit="query", disable=None)):
                hits = index.search(index.understand(normalise_query(query)), depth)
                found.rows[place, : len(hits.rows)], found.scores[place, : len(hits.rows)] = hits.rows, hits.scores
        return found

    def index(self, test_set: TestSet, folder: Path) -> WordIndex:
        """Write the words of the catalogue into a folder that is not there yet, and open them."""
        table = test_set.catalog.table
        write_words(folder, _texts(table.select(word_columns(table.schema)).to_batches()), None, self.known_words)
        return WordIndex.open(folder, len(table))


@dataclass(frozen=True)
class HybridSystem:
    """A model's ranking fused with that by words.

    Attributes:
        model: the model.
    """

    model: ModelSystem
    kind: Literal["context"] = "context"
    origin: None = None

    @property
    def name(self) -> str:
        """The model's name and what is added to it."""
        return f"{self.model.name}+words"

    @property
    def description(self) -> str:
        """What it is, in a sentence of the tables."""
        return (
            f"{self.model.name} and words, the first {FUSED_DEPTH} of each fused by 1 / ({RANK_CONSTANT} + place), "
            "typing errors corrected, identifiers first"
        )

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the fingerprints of both."""
        parts = (self.description, self.model.fingerprint, self._words.fingerprint)
        return hashlib.sha256("|".join(parts).encode()).hexdigest()

    @property
    def _words(self) -> WordsSystem:
        return WordsSystem((self.model.bundle.query_folder,))

    def answer(self, test_set: TestSet, depth: int, workspace: Workspace) -> Neighbours:
        """Return the products with the highest fused scores for every query; places that are left have the row -1."""
        found = no_neighbours(len(test_set.queries), depth)
        fused = min(FUSED_DEPTH, len(test_set.catalog))
        with tempfile.TemporaryDirectory() as folder:
            index = self._words.index(test_set, Path(folder) / "words")
            asked = [index.understand(normalise_query(query)) for query in test_set.queries]
            near = self._nearest(asked, test_set, fused, workspace)
            for place, words in enumerate(asked):
                rows, parts = fuse(near[place], index.search(words, fused))
                scores = np.sum([*parts.values()], axis=0)
                best = np.lexsort((rows, -scores))[:depth]
                found.rows[place, : len(best)], found.scores[place, : len(best)] = rows[best], scores[best]
        return found

    def _nearest(
        self, asked: Sequence[QueryWords], test_set: TestSet, depth: int, workspace: Workspace
    ) -> npt.NDArray[np.int64]:
        """Return the nearest products to the texts that are searched for, (n, depth)."""
        texts = [words.text for words in asked]
        key = "\n".join([test_set.dataset_fingerprint, "corrected", *texts])
        corrected = replace(test_set, queries=texts, dataset_fingerprint=hashlib.sha256(key.encode()).hexdigest())
        rows = self.model.answer(corrected, depth, workspace).rows
        workspace.search_file(self.model.fingerprint, corrected, depth).unlink(missing_ok=True)
        return rows


def _texts(batches: Sequence[pa.RecordBatch]) -> Iterator[ProductTexts]:
    for batch in batches:
        yield ProductTexts(identifier_values(batch), field_texts(batch))
