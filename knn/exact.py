"""Exact search, the ground truth for every approximate index.

FAISS finds candidates with blocked matrix products, whose memory does not grow with the number of vectors. Their
rounding depends on the position in a block, so that equal vectors may differ in the last bit of their scores.
Therefore a few more candidates than wanted are fetched and scored again in float64, pair by pair, and then sorted by
score and row number. The same vectors always give the same answer.
"""

import faiss
import numpy as np

from .errors import ArgumentError
from .neighbours import NO_ROW, NO_SCORE, Neighbours, merge_neighbours, no_neighbours, pad_neighbours
from .vectors import check_vectors

# Candidates fetched beyond k, so that ties at rank k are usually complete without a second pass.
SPARE_CANDIDATES = 32
# Upper bound of the rounding error of a float32 inner product of two unit vectors with a few thousand numbers.
ROUNDING = 4e-6
# Numbers in memory at once while candidates are scored again: 64 MiB of float64.
_RESCORE_NUMBERS = 8 << 20


def exact_search(products: np.ndarray, queries: np.ndarray, k: int) -> Neighbours:
    """Return the exact k nearest products of every query by inner product.

    Args:
        products: Shape (count, d), float32, of about unit length. May be memory-mapped.
        queries: Shape (n, d), float32, of about unit length.
        k: Neighbours per query, at least 1. If there are fewer products, the rest is padding.

    Returns:
        Neighbours of shape (n, k), scores correctly rounded, equal scores in ascending order of rows.

    Raises:
        VectorError: One of the arrays is not finite float32 of shape (., d).
        ArgumentError: k is not a positive whole number.

    Example:
        >>> exact_search(np.eye(3, dtype=np.float32), np.eye(3, dtype=np.float32)[:1], k=2).rows
        array([[0, 1]])
    """
    products = check_vectors(products, name="products")
    queries = check_vectors(queries, products.shape[1], name="queries")
    check_k(k)
    count = products.shape[0]
    if count == 0 or queries.shape[0] == 0:
        return no_neighbours(queries.shape[0], k)
    wanted, fetched = min(k, count), min(k + SPARE_CANDIDATES, count)
    noisy, candidates = faiss.knn(queries, products, fetched, metric=faiss.METRIC_INNER_PRODUCT)
    scores, rows = _rescore(products, queries, candidates)
    scores, rows = scores[:, :wanted], rows[:, :wanted]
    if fetched < count:
        # A product that was not fetched scores at most the last candidate's noisy score, plus rounding errors.
        for i in np.flatnonzero(noisy[:, -1] >= scores[:, -1] - 2 * ROUNDING):
            scores[i], rows[i] = _search_crowded(products, queries[i], float(scores[i, -1]), wanted)
    return pad_neighbours(scores, rows, k)


def extend_exact_search(
    best: Neighbours, products: np.ndarray, queries: np.ndarray, first_row: int, k: int
) -> Neighbours:
    """Return the k nearest products after one more block of products, for products that do not fit in memory at once.

    Start with `no_neighbours(n, k)` and go through all blocks; the result equals `exact_search` over all products.

    Args:
        best: Shape (n, k), the nearest products of the blocks before.
        products: Shape (count, d), float32, the block.
        queries: Shape (n, d), float32.
        first_row: Row number of the block's first product.
        k: Neighbours per query, at least 1.

    Returns:
        Neighbours of shape (n, k).

    Raises:
        KnnError: As `exact_search` does.
    """
    found = exact_search(products, queries, k)
    rows = np.where(found.rows == NO_ROW, NO_ROW, found.rows + first_row)
    return merge_neighbours([best, Neighbours(found.scores, rows)], k)


def check_k(k: int) -> None:
    """Check that k is a positive whole number.

    Raises:
        ArgumentError: It is not.
    """
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise ArgumentError(f"k: expected a whole number of at least 1, got {k!r}; ask for at least one neighbour")


def score_rows(products: np.ndarray, queries: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Compute the exact scores of given rows.

    Args:
        products: Shape (count, d), float32. May be memory-mapped; only the given rows are read.
        queries: Shape (n, d), float32.
        rows: Shape (n, c), integers below count; `NO_ROW` is padding.

    Returns:
        Shape (n, c), float32, correctly rounded; -inf for padding.
    """
    scores = np.empty(rows.shape, dtype=np.float32)
    step = max(1, _RESCORE_NUMBERS // max(1, rows.shape[1] * products.shape[1]))
    for start in range(0, len(queries), step):
        chunk = slice(start, start + step)
        vectors = products[rows[chunk]]  # (step, c, d)
        scores[chunk] = np.matmul(vectors, queries[chunk, :, None], dtype=np.float64)[:, :, 0]
    scores[rows == NO_ROW] = NO_SCORE
    return scores


def _rescore(products: np.ndarray, queries: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sort candidates by exact score and row: (n, c) rows -> scores (n, c) float32, rows (n, c) int64."""
    scores = score_rows(products, queries, rows)
    order = np.lexsort((rows, -scores), axis=1)
    return np.take_along_axis(scores, order, axis=1), np.take_along_axis(rows, order, axis=1)


def _search_crowded(
    products: np.ndarray, query: np.ndarray, lowest_score: float, wanted: int
) -> tuple[np.ndarray, np.ndarray]:
    """Search for one query with more ties at rank k than were fetched: score all products that may be among them."""
    noisy = products @ query  # (count,)
    candidates = np.flatnonzero(noisy >= lowest_score - 2 * ROUNDING)
    scores, rows = _rescore(products, query[None, :], candidates[None, :])
    return scores[0, :wanted], rows[0, :wanted]
