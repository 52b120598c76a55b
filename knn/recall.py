"""Recall: the share of the exact answer that an approximate answer contains."""

from dataclasses import dataclass

import numpy as np

from .errors import ArgumentError
from .neighbours import NO_ROW, Neighbours

# Scores that differ by less than this are equal within the rounding of float32.
TIE_EPSILON = 1e-6
# How far below the exact rank k a product may score and still count as tied with it. On fused embeddings a query's 100
# best scores lie within about 0.03 of each other, and catalogues contain many near-copies: the order of two products
# whose scores differ by a thirtieth of that span does not matter to a shopper.
TIE_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Recall:
    """Recall at k, averaged over queries, from 0 to 1.

    Attributes:
        tie_tolerant: A returned row counts if its exact score is at least that of the exact rank k minus
            `TIE_TOLERANCE`. Operating points are chosen by this measure, because near-copies of a product are
            equally good.
        strict: A returned row counts if it is among the exact top k; which of several near-copies is among them
            is a matter of chance.
        standard_error: Standard error of `tie_tolerant` over the queries.
    """

    tie_tolerant: float
    strict: float
    standard_error: float = 0.0

    @property
    def conservative(self) -> float:
        """Tie-tolerant recall minus its standard error, which other queries of this kind are likely to reach too."""
        return self.tie_tolerant - self.standard_error


def measure_recall(
    found: Neighbours, exact: Neighbours, k: int, exact_scores: np.ndarray, tolerance: float = TIE_TOLERANCE
) -> Recall:
    """Compute recall at k.

    Args:
        found: The rows that an index found, at least k columns.
        exact: The result of `exact_search` for the same queries, at least k columns.
        k: Cut-off.
        exact_scores: Exact scores of the rows found, from `score_rows`, because an index may compute scores from
            coarse codes. Same shape as ``found.rows``.
        tolerance: How far below the exact rank k a score may be to count as tied.

    Returns:
        Means over the queries that have an exact neighbour.

    Raises:
        ArgumentError: There are too few columns, the numbers of queries differ, or no query has a neighbour.
    """
    _check_shapes(found, exact, k)
    truths = np.minimum(exact.found, k)  # (n,)
    asked = truths > 0
    if not asked.any():
        raise ArgumentError("expected at least one query with an exact neighbour, got none; measure over a full index")
    last = np.take_along_axis(exact.scores, np.maximum(truths, 1)[:, None] - 1, axis=1)  # (n, 1)
    good = (exact_scores[:, :k] >= last - np.float32(tolerance)) & (found.rows[:, :k] != NO_ROW)
    tolerant = good.sum(axis=1)
    strict = _count_hits(found.rows[:, :k], exact.rows[:, :k])
    shares = tolerant[asked] / truths[asked]
    return Recall(
        tie_tolerant=float(shares.mean()),
        strict=float((strict[asked] / truths[asked]).mean()),
        standard_error=float(shares.std() / np.sqrt(len(shares))),
    )


def _check_shapes(found: Neighbours, exact: Neighbours, k: int) -> None:
    for name, neighbours in (("found", found), ("exact", exact)):
        if k < 1 or neighbours.rows.shape[1] < k:
            raise ArgumentError(f"{name}: expected at least k = {k} columns, got {neighbours.rows.shape[1]}")
    if len(found.rows) != len(exact.rows):
        raise ArgumentError(f"expected answers to the same queries, got {len(found.rows)} and {len(exact.rows)}")


def _count_hits(rows: np.ndarray, accepted: np.ndarray) -> np.ndarray:
    """Count the rows of each query that are among its accepted rows: (n, a), (n, b) -> (n,)."""
    # One lookup for all queries: each row is mapped to a number that no other query uses.
    span = int(max(rows.max(), accepted.max())) + 1
    offsets = np.arange(len(rows), dtype=np.int64)[:, None] * span
    keys = (accepted + offsets)[accepted != NO_ROW]
    hits: np.ndarray = np.isin(rows + offsets, keys) & (rows != NO_ROW)
    counts: np.ndarray = hits.sum(axis=1)
    return counts
