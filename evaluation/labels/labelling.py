"""Labels of the retrieved products, from judgments or from the annotator.

Each query has one source of labels:

"judged"      Only the judgments. Used for queries with complete judgments and, if no annotator is given, for
              queries with incomplete ones.
"annotated"   The judgment of a pair if there is one, otherwise the annotator's label. Used for all other queries
              if an annotator is given.

Without judgments and annotator a query has no source and no labels.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evaluation.labels.annotated_pairs import AnnotatedPairs
from evaluation.results.records import SOURCES, Agreement, Source
from evaluation.test_set.relevance import UNLABELLED, LabelLookup

_JUDGED, _ANNOTATED = SOURCES.index("judged"), SOURCES.index("annotated")
_NONE = -1
# Judged queries whose lists the annotator labels too, to measure its agreement with the judgments. Their 20,000 or
# so pairs of a model are enough, and labelling is the most expensive part of an evaluation.
AGREEMENT_QUERIES = 200


@dataclass(frozen=True, eq=False)
class Labelling:
    """Labels of the result lists of n queries.

    Attributes:
        source: (n,) position of each query's source in SOURCES, -1 for none.
        labels: (n, k) label codes; UNLABELLED where there is no judgment and the annotator is absent or abstains.
        pair_sources: (n, k) position in SOURCES of each label's source, -1 where there is no label.
        agreement: how often the annotator agrees with the judgments, on the lists of AGREEMENT_QUERIES queries; None
            without an annotator or without judged pairs.
    """

    source: npt.NDArray[np.int8]
    labels: npt.NDArray[np.int8]
    pair_sources: npt.NDArray[np.int8]
    agreement: Agreement | None


@dataclass(frozen=True, eq=False)
class Labeller:
    """Labels result lists with the judgments and the annotator, as far as these exist."""

    judgments: LabelLookup | None
    annotated: AnnotatedPairs | None

    def describe(self, source: Source) -> str:
        """Return where the labels of a source come from, in words."""
        if source == "judged":
            return "complete judgments" if self.judgments and self.judgments.complete else "judgments"
        return f"annotator {self.annotated.annotator.fingerprint[:12]}" if self.annotated else "no annotator"

    def label(self, rows: npt.NDArray[np.int64]) -> Labelling:
        """Label the result lists of all queries.

        Args:
            rows: (n, k) catalogue rows, -1 for padding.
        """
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
        # Spread evenly over the queries that have judged pairs, and chosen without chance.
        places = np.unique(np.linspace(0, len(queries) - 1, min(AGREEMENT_QUERIES, len(queries))).astype(np.int64))
        known &= np.isin(np.arange(len(known)), queries[places])[:, None]
        said, truth = self._annotated(rows, known), judged[known]
        sure = said != UNLABELLED
        accuracy = float((said[sure] == truth[sure]).mean()) if sure.any() else None
        return Agreement(pairs=len(said), abstained=int((~sure).sum()), accuracy=accuracy)
