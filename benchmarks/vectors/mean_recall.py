"""Recall of search results: a plain implementation, independent of the one in `knn` that indexes are tuned with."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.vectors.vector_sets import Vectors

# A score ties with the k-th best if it is below it by at most this share of the spread from the middle of the exact
# answer to its end, but never by more than the last figure nor less than the first.
SHARE, TOLERANCES = 0.2, (1e-6, 0.001)
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class MeanRecall:
    """Recall at k, averaged over queries.

    Attributes:
        tolerant: a returned product counts if its exact score ties with the k-th best exact score (`TOLERANCES`).
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
        middle, last = (vectors[truth[[(len(truth) - 1) // 2, -1]]].astype(np.float64) @ query).tolist()
        least = last - min(max(SHARE * (middle - last), TOLERANCES[0]), TOLERANCES[1])
        returned = rows[rows >= 0]
        scores = vectors[returned].astype(np.float64) @ query
        tolerant.append(np.count_nonzero(scores >= least) / len(truth))
        strict.append(len(set(returned.tolist()) & set(truth.tolist())) / len(truth))
    return MeanRecall(float(np.mean(tolerant)), float(np.mean(strict)))
