"""Noticing models whose answers mean nothing, before their numbers are read as a result.

Such a model still has a recall: exact ties are put in the order of the catalogue, so that every query
gets its first hundred products.
"""

import numpy as np
import numpy.typing as npt

from evaluation.core.errors import DegenerateError
from towers.query_encoder import Vectors

# 1 - |mean|^2 of unit vectors, which is one less the average cosine of two of them. Real towers, crowded into
# a cone as they are, lie above 0.01; vectors that differ by rounding alone below 1e-6.
LEAST_VARIANCE = 1e-4
LEAST_DISTINCT = 0.01  # distinct nearest sets over queries
NEAREST = 10  # products of a query that are compared with those of other queries
_ROWS_AT_ONCE = 16384


def check_finite(vectors: Vectors, what: str, first: int = 0) -> None:
    """Refuse vectors with NaN or infinity.

    Args:
        vectors: (n, d).
        what: "query" or "product", for the message.
        first: number of the first of them.

    Raises:
        DegenerateError: there is one.
    """
    for start in range(0, len(vectors), _ROWS_AT_ONCE):
        finite = np.isfinite(vectors[start : start + _ROWS_AT_ONCE]).all(axis=1)
        if not finite.all():
            number = first + start + int(np.argmin(finite))
            raise DegenerateError(f"the vector of {what} number {number:,} holds NaN or infinity")


def check_vectors_differ(vectors: Vectors, what: str) -> None:
    """Refuse vectors that are all alike.

    Args:
        vectors: (n, d) of unit length, or zero; fewer than two cannot be alike.
        what: "query" or "product", for the message.

    Raises:
        DegenerateError: they are.
    """
    if len(vectors) < 2:
        return
    mean = vectors.mean(axis=0, dtype=np.float64)
    length = float(np.einsum("ij,ij->", vectors, vectors, dtype=np.float64)) / len(vectors)  # 1, or 0 for zeros
    variance = max(0.0, length - float(np.square(mean).sum()))
    if variance < LEAST_VARIANCE:
        raise DegenerateError(f"all {what} vectors are alike: their variance is {variance:.1g}")


def check_answers_differ(rows: npt.NDArray[np.int64], products: int) -> None:
    """Refuse answers that are the same for nearly all queries.

    Compared are the sets of each query's first NEAREST products; in a catalogue of fewer than twice as
    many, of its first product.

    Args:
        rows: (n, k) catalogue rows, best first.
        products: catalogue size.

    Raises:
        DegenerateError: they are; fewer than two queries or products cannot be.
    """
    if len(rows) < 2 or products < 2:
        return
    nearest = np.sort(rows[:, : NEAREST if products >= 2 * NEAREST else 1], axis=1)
    distinct = len(np.unique(nearest, axis=0))
    if distinct < max(2, LEAST_DISTINCT * len(rows)):
        raise DegenerateError(f"{len(rows):,} queries have only {distinct:,} different sets of nearest products")
