"""Labels by the annotator: each pair of query and product is labelled once for all models, and kept.

Labelling is the dearest part of an evaluation: a cross-encoder reads every pair. What is labelled is kept
in the work folder by annotator and data set, and survives a kill.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from artifacts.catalog import Catalog
from evaluation.core.array_cache import WORK_FOLDER, read_arrays, write_arrays
from evaluation.test_set.test_set import TestSet

PAIRS_PER_NOTE = 50_000  # labelled between two writes: what a kill costs

Progress = Callable[[int], None]  # called with the number of pairs done since the last call
Numbers = npt.NDArray[np.int64]
Keys = Numbers  # query number x catalogue size + row
Codes = npt.NDArray[np.int8]


class Annotator(Protocol):
    """What evaluation needs of an annotator (towers/annotator.py)."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 over its contents."""

    def label(
        self, queries: Sequence[str], catalog: Catalog, query_numbers: Numbers, rows: Numbers, progress: Progress
    ) -> Codes:
        """Codes in the order E, S, C, I of the pairs (query_numbers[i], rows[i]); -1 where it abstains."""


class AnnotatedPairs:
    """The annotator's labels on a test set.

    Args:
        annotator: labels pairs that were never asked for before.
        test_set: its queries and catalogue.
        out: the results folder.
    """

    def __init__(self, annotator: Annotator, test_set: TestSet, out: Path) -> None:
        self.annotator = annotator
        self._test_set = test_set
        name = f"labels-{annotator.fingerprint[:20]}-{test_set.dataset_fingerprint[:20]}"
        self._path = out / WORK_FOLDER / name
        kept = read_arrays(self._path) or {"keys": np.empty(0, np.int64), "codes": np.empty(0, np.int8)}
        self._keys: Keys = kept["keys"]  # sorted
        self._codes: Codes = kept["codes"]

    def labels(self, query_numbers: Numbers, rows: Numbers) -> Codes:
        """Label codes of pairs, (pairs,); -1 where the annotator abstains."""
        wanted = query_numbers * len(self._test_set.catalog) + rows
        self._label(np.setdiff1d(wanted, self._keys))
        return self._codes[np.searchsorted(self._keys, wanted)]

    def _label(self, keys: Keys) -> None:
        """Label pairs that were not labelled before, and keep their labels."""
        test_set = self._test_set
        with tqdm(total=len(keys), desc="annotate", unit="pair", disable=None if len(keys) else True) as bar:

            def advance(pairs: int) -> None:
                bar.update(pairs)

            for start in range(0, len(keys), PAIRS_PER_NOTE):
                block = keys[start : start + PAIRS_PER_NOTE]
                numbers, rows = np.divmod(block, len(test_set.catalog))
                self._add(block, self.annotator.label(test_set.queries, test_set.catalog, numbers, rows, advance))

    def _add(self, keys: Keys, codes: Codes) -> None:
        merged = np.concatenate([self._keys, keys])
        order = np.argsort(merged, kind="stable")
        self._keys, self._codes = merged[order], np.concatenate([self._codes, codes])[order]
        write_arrays(self._path, {"keys": self._keys, "codes": self._codes})
