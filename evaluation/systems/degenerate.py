"""Checks for degenerate models, whose vectors or answers do not depend on the query.

Without these checks such a model would still get a recall: exact ties are ordered by the catalogue, so that every
query retrieves the first hundred products of the catalogue.
"""

import numpy as np
import numpy.typing as npt

from evaluation.core.errors import DegenerateError
from towers.query_encoder import Vectors

# Variance of unit vectors: 1 - |mean|^2, which is one minus the average cosine of two of them. Vectors of trained
# towers, although they lie in a narrow cone, have more than 0.01; vectors that differ only by rounding less than 1e-6.
LEAST_VARIANCE = 1e-4
LEAST_DISTINCT = 0.01  # number of distinct sets of nearest products, divided by the number of queries
NEAREST = 10  # size of these sets
_ROWS_AT_ONCE = 16384


def check_finite(vectors: Vectors, what: str, first: int = 0) -> None:
    """Check that no vector contains NaN or infinity.

    Args:
        vectors: (n, d).
        what: "query" or "product", for the message.
        first: number of the first of these vectors, for the message.

    Raises:
        DegenerateError: a vector contains NaN or infinity.
    """
    for start in range(0, len(vectors), _ROWS_AT_ONCE):
        finite = np.isfinite(vectors[start : start + _ROWS_AT_ONCE]).all(axis=1)
        if not finite.all():
            number = first + start + int(np.argmin(finite))
            raise DegenerateError(f"the vector of {what} number {number:,} holds NaN or infinity")


def check_vectors_differ(vectors: Vectors, what: str) -> None:
    """Check that the vectors are not all (nearly) equal.

    Args:
        vectors: (n, d) of unit length, or zero. Fewer than two vectors always pass.
        what: "query" or "product", for the message.

    Raises:
        DegenerateError: their variance is below LEAST_VARIANCE.
    """
    if len(vectors) < 2:
        return
    mean = vectors.mean(axis=0, dtype=np.float64)
    length = float(np.einsum("ij,ij->", vectors, vectors, dtype=np.float64)) / len(vectors)  # 1, or 0 for zeros
    variance = max(0.0, length - float(np.square(mean).sum()))
    if variance < LEAST_VARIANCE:
        raise DegenerateError(f"all {what} vectors are alike: their variance is {variance:.1g}")


def check_answers_differ(rows: npt.NDArray[np.int64], products: int) -> None:
    """Check that different queries have different answers.

    The sets of each query's first NEAREST products are compared. If the catalogue has fewer than twice as many
    products, only the first product of each query is compared.

    Args:
        rows: (n, k) catalogue rows, best first.
        products: catalogue size.

    Raises:
        DegenerateError: there are too few distinct sets. Fewer than two queries or products always pass.
    """
    if len(rows) < 2 or products < 2:
        return
    nearest = np.sort(rows[:, : NEAREST if products >= 2 * NEAREST else 1], axis=1)
    distinct = len(np.unique(nearest, axis=0))
    if distinct < max(2, LEAST_DISTINCT * len(rows)):
        raise DegenerateError(f"{len(rows):,} queries have only {distinct:,} different sets of nearest products")
