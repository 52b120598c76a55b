"""Exact search: the ground_truth for every approximate index.

FAISS does the heavy part with blocked matrix products, whose memory does not grow with the number of
products. These products round differently from place to place, so that equal vectors may score differently in
the last bit. Therefore a few more candidates than wanted are fetched and scored again, pair by pair in
float64, and the final order is by score and then by row number: the same vectors give the same answer,
always.
"""

import faiss
import numpy as np

from .errors import ArgumentError
from .neighbours import NO_ROW, NO_SCORE, Neighbours, merge_neighbours, no_neighbours, pad_neighbours
from .vectors import check_vectors

# Candidates fetched beyond k, so that ties around place k are seen whole without a second pass.
SPARE_CANDIDATES = 32
# Bound on the rounding error of a float32 inner product of two unit vectors of some thousand numbers.
ROUNDING = 4e-6
# Numbers held at once while candidates are scored again: 64 MiB of float64.
_RESCORE_NUMBERS = 8 << 20


def exact_search(products: np.ndarray, queries: np.ndarray, k: int) -> Neighbours:
    """The true k nearest products of every query by inner product.

    Args:
        products: Shape (count, d), float32, of length about 1. May be a memory-mapped array.
        queries: Shape (n, d), float32, of length about 1.
        k: Neighbours per query, at least 1. Where count is smaller, the rest is padding.

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
        # A product left out scores at most the last candidate's noisy score, plus the rounding of either.
        for i in np.flatnonzero(noisy[:, -1] >= scores[:, -1] - 2 * ROUNDING):
            scores[i], rows[i] = _search_crowded(products, queries[i], float(scores[i, -1]), wanted)
    return pad_neighbours(scores, rows, k)


def extend_exact_search(
    best: Neighbours, products: np.ndarray, queries: np.ndarray, first_row: int, k: int
) -> Neighbours:
    """The k nearest products after one more block of them: exact search where they are never held at once.

    Begin with `no_neighbours(n, k)` and go through all blocks: the end equals `exact_search` over all.

    Args:
        best: Shape (n, k), over other rows than those of this block.
        products: Shape (count, d), float32: the block.
        queries: Shape (n, d), float32.
        first_row: Row number of the block's first product.
        k: Neighbours per query, at least 1.

    Returns:
        Neighbours of shape (n, k); errors as in `exact_search`.
    """
    found = exact_search(products, queries, k)
    rows = np.where(found.rows == NO_ROW, NO_ROW, found.rows + first_row)
    return merge_neighbours([best, Neighbours(found.scores, rows)], k)


def check_k(k: int) -> None:
    """Refuse a k that is not a positive whole number.

    Raises:
        ArgumentError: It is not.
    """
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise ArgumentError(f"k: expected a whole number of at least 1, got {k!r}; ask for at least one neighbour")


def score_rows(products: np.ndarray, queries: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The exact scores of given rows, whatever an index took them for.

    Args:
        products: Shape (count, d), float32. May be a memory-mapped array; only these rows of it are read.
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
    """Candidates in final order: (n, c) rows -> scores (n, c) float32, rows (n, c) int64."""
    scores = score_rows(products, queries, rows)
    order = np.lexsort((rows, -scores), axis=1)
    return np.take_along_axis(scores, order, axis=1), np.take_along_axis(rows, order, axis=1)


def _search_crowded(
    products: np.ndarray, query: np.ndarray, lowest_score: float, wanted: int
) -> tuple[np.ndarray, np.ndarray]:
    """One query whose place k is shared by more products than were fetched: score all that may count."""
    noisy = products @ query  # (count,)
    candidates = np.flatnonzero(noisy >= lowest_score - 2 * ROUNDING)
    scores, rows = _rescore(products, query[None, :], candidates[None, :])
    return scores[0, :wanted], rows[0, :wanted]
