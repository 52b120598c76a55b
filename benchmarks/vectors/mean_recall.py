"""Recall of search results: a plain implementation, independent of the one in `knn` that indexes are tuned with."""

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
        tolerant: a returned product counts if its exact score is at most `TOLERANCE` below the k-th best exact score.
        strict: a returned product counts if it is among the k exact neighbours.
    """

    tolerant: float
    strict: float


def mean_recall(vectors: Vectors, queries: Vectors, found: Rows, exact: Rows) -> MeanRecall:
    """Return the mean recall of search results.

    Args:
        vectors: all vectors, shape (count, D); they may be memory-mapped.
        queries: query vectors, shape (n, D).
        found: rows of the results, shape (n, k); -1 fills up where fewer were found.
        exact: rows of the exact neighbours, shape (n, k), best first.
    """
    tolerant, strict = [], []
    for query, rows, truth in zip(queries, found, exact, strict=True):
        least = float(vectors[truth[-1]].astype(np.float64) @ query) - TOLERANCE
        returned = rows[rows >= 0]
        scores = vectors[returned].astype(np.float64) @ query
        tolerant.append(np.count_nonzero(scores >= least) / len(truth))
        strict.append(len(set(returned.tolist()) & set(truth.tolist())) / len(truth))
    return MeanRecall(float(np.mean(tolerant)), float(np.mean(strict)))
