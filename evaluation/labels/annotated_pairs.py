"""Labels by the annotator: each pair of query and product is labelled once and reused for all models.

Labelling is the most expensive part of an evaluation, as a cross-encoder reads every pair. The labels are cached
in the work folder by annotator and data set, so that an interrupted evaluation loses few of them.
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

PAIRS_PER_WRITE = 50_000  # labelled between two writes; an interruption loses at most these

Progress = Callable[[int], None]  # called with the number of pairs done since the last call
Numbers = npt.NDArray[np.int64]
Keys = Numbers  # query number x catalogue size + row
Codes = npt.NDArray[np.int8]


class Annotator(Protocol):
    """The interface of an annotator that the evaluation uses; implemented in towers/annotator.py."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the annotator's contents."""

    def label(
        self, queries: Sequence[str], catalog: Catalog, query_numbers: Numbers, rows: Numbers, progress: Progress
    ) -> Codes:
        """Return the codes (0 to 3 for E, S, C, I) of the pairs (query_numbers[i], rows[i]); -1 where it abstains."""


class AnnotatedPairs:
    """The annotator's labels on a test set, cached on disk.

    Args:
        annotator: labels the pairs that are not in the cache.
        test_set: the queries and the catalogue that the pairs refer to.
        out: the results folder; the cache is in its work folder.
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
        """Return the label codes of pairs, (pairs,); -1 where the annotator abstains."""
        wanted = query_numbers * len(self._test_set.catalog) + rows
        self._label(np.setdiff1d(wanted, self._keys))
        return self._codes[np.searchsorted(self._keys, wanted)]

    def _label(self, keys: Keys) -> None:
        """Label pairs that are not in the cache and add them to it."""
        test_set = self._test_set
        with tqdm(total=len(keys), desc="annotate", unit="pair", disable=None if len(keys) else True) as bar:

            def advance(pairs: int) -> None:
                bar.update(pairs)

            for start in range(0, len(keys), PAIRS_PER_WRITE):
                block = keys[start : start + PAIRS_PER_WRITE]
                numbers, rows = np.divmod(block, len(test_set.catalog))
                self._add(block, self.annotator.label(test_set.queries, test_set.catalog, numbers, rows, advance))

    def _add(self, keys: Keys, codes: Codes) -> None:
        merged = np.concatenate([self._keys, keys])
        order = np.argsort(merged, kind="stable")
        self._keys, self._codes = merged[order], np.concatenate([self._codes, codes])[order]
        write_arrays(self._path, {"keys": self._keys, "codes": self._codes})
