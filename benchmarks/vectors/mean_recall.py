"""Recall, written a second time: plainly, a query at a time, and apart from the recall that `knn` tunes by."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.vectors.vector_sets import Vectors

TOLERANCE = 0.001
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class MeanRecall:
    """Recall at k, averaged over queries.

    Attributes:
        tolerant: a returned product counts if its exact score is within `TOLERANCE` of that of the exact place k.
        strict: a returned product counts if it is among the exact k.
    """

    tolerant: float
    strict: float


def mean_recall(vectors: Vectors, queries: Vectors, found: Rows, exact: Rows) -> MeanRecall:
    """Recall of what was found.

    Args:
        vectors: (count, D), may be memory-mapped.
        queries: (n, D).
        found: (n, k) rows, -1 where fewer were found.
        exact: (n, k) rows, best first.
    """
    tolerant, strict = [], []
    for query, rows, truth in zip(queries, found, exact, strict=True):
        least = float(vectors[truth[-1]].astype(np.float64) @ query) - TOLERANCE
        returned = rows[rows >= 0]
        scores = vectors[returned].astype(np.float64) @ query
        tolerant.append(np.count_nonzero(scores >= least) / len(truth))
        strict.append(len(set(returned.tolist()) & set(truth.tolist())) / len(truth))
    return MeanRecall(float(np.mean(tolerant)), float(np.mean(strict)))
