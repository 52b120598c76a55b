"""Which labels the retrieved products get, and from where: judgments, or else the annotator.

A query has its labels from one source. Queries with complete judgments, and, where no annotator is at
hand, those with incomplete ones, have them from the judgments alone ("judged"). All others have them from
the annotator, except for pairs that somebody judged ("annotated"). Without either a query has none.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evaluation.labels.annotated_pairs import AnnotatedPairs
from evaluation.results.records import SOURCES, Agreement, Source
from evaluation.test_set.relevance import UNLABELLED, LabelLookup

_JUDGED, _ANNOTATED = SOURCES.index("judged"), SOURCES.index("annotated")
_NONE = -1
# Judged queries whose lists the annotator labels too, to see how far it agrees: some 20,000 pairs a model are plenty,
# and labelling is the dearest part of an evaluation.
AGREEMENT_QUERIES = 200


@dataclass(frozen=True, eq=False)
class Labelling:
    """Labels of the lists of n queries.

    Attributes:
        source: (n,) position in SOURCES, -1 for none.
        labels: (n, k) codes; UNLABELLED where nothing is known or the annotator abstains.
        pair_sources: (n, k) position in SOURCES, -1 where there is no label.
        agreement: of the annotator with the judged pairs of AGREEMENT_QUERIES; None without an annotator or without
            judged pairs.
    """

    source: npt.NDArray[np.int8]
    labels: npt.NDArray[np.int8]
    pair_sources: npt.NDArray[np.int8]
    agreement: Agreement | None


@dataclass(frozen=True, eq=False)
class Labeller:
    """Labels lists of products with what is at hand."""

    judgments: LabelLookup | None
    annotated: AnnotatedPairs | None

    def describe(self, source: Source) -> str:
        """Where labels of a source come from, in words."""
        if source == "judged":
            return "complete judgments" if self.judgments and self.judgments.complete else "judgments"
        return f"annotator {self.annotated.annotator.fingerprint[:12]}" if self.annotated else "no annotator"

    def label(self, rows: npt.NDArray[np.int64]) -> Labelling:
        """Label the lists of all queries: (n, k) catalogue rows, -1 for padding."""
        judged = self._judged(rows)
        source = self._sources(len(rows))
        labels = np.where((source == _NONE)[:, None], UNLABELLED, judged).astype(np.int8)
        pair_sources = np.where(labels == UNLABELLED, _NONE, _JUDGED).astype(np.int8)
        if self.annotated is None:
            return Labelling(source, labels, pair_sources, None)
        open_pairs = (labels == UNLABELLED) & (rows >= 0) & (source == _ANNOTATED)[:, None]
        labels[open_pairs] = self._annotated(rows, open_pairs)
        pair_sources[open_pairs & (labels != UNLABELLED)] = _ANNOTATED
        return Labelling(source, labels, pair_sources, self._agreement(rows, judged))

    def _judged(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int8]:
        if self.judgments is None:
            return np.full(rows.shape, UNLABELLED, dtype=np.int8)
        return self.judgments.labels(rows)

    def _sources(self, queries: int) -> npt.NDArray[np.int8]:
        source = np.full(queries, _NONE if self.annotated is None else _ANNOTATED, dtype=np.int8)
        if self.judgments is not None and (self.judgments.complete or self.annotated is None):
            source[self.judgments.judged] = _JUDGED
        return source

    def _annotated(self, rows: npt.NDArray[np.int64], pairs: npt.NDArray[np.bool_]) -> npt.NDArray[np.int8]:
        assert self.annotated is not None
        numbers, places = np.nonzero(pairs)
        return self.annotated.labels(numbers, rows[numbers, places])

    def _agreement(self, rows: npt.NDArray[np.int64], judged: npt.NDArray[np.int8]) -> Agreement | None:
        known = judged != UNLABELLED
        queries = np.flatnonzero(known.any(axis=1))
        if not len(queries):
            return None
        # Evenly over the test set, and the same ones for every model.
        places = np.unique(np.linspace(0, len(queries) - 1, min(AGREEMENT_QUERIES, len(queries))).astype(np.int64))
        known &= np.isin(np.arange(len(known)), queries[places])[:, None]
        said, truth = self._annotated(rows, known), judged[known]
        sure = said != UNLABELLED
        accuracy = float((said[sure] == truth[sure]).mean()) if sure.any() else None
        return Agreement(pairs=len(said), abstained=int((~sure).sum()), accuracy=accuracy)
