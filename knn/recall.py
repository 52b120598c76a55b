"""How much of the exact answer an approximate one holds."""

from dataclasses import dataclass

import numpy as np

from .errors import ArgumentError
from .neighbours import NO_ROW, Neighbours

# Scores closer than this cannot be told apart in float32, so that neither of two such products is the better
# one.
TIE_EPSILON = 1e-6
# How much less than the exact place k a product may score and still count as good as it. A query's 100 best
# scores lie within about 0.03 of each other on fused embeddings, and catalogues are full of near-copies: the
# order of two products a thirtieth of that span apart means nothing to a shopper.
TIE_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Recall:
    """Recall at k, averaged over queries, from 0 to 1.

    Attributes:
        tie_tolerant: A returned row counts if its exact score is at least that of the exact place k, less
            `TIE_TOLERANCE`. This is the measure to steer by: near-copies of a product are as good as each
            other.
        strict: A returned row counts if it is among the exact top k; which copy stands there is a matter of
            chance.
        standard_error: Of `tie_tolerant`, over the queries.
    """

    tie_tolerant: float
    strict: float
    standard_error: float = 0.0

    @property
    def conservative(self) -> float:
        """Tie-tolerant recall less its standard error: what other queries of the kind are likely to reach too."""
        return self.tie_tolerant - self.standard_error


def measure_recall(
    found: Neighbours, exact: Neighbours, k: int, exact_scores: np.ndarray, tolerance: float = TIE_TOLERANCE
) -> Recall:
    """Recall at k of what was found.

    Args:
        found: At least k columns, for the same queries.
        exact: From `exact_search`, at least k columns.
        k: Cut-off.
        exact_scores: Exact scores of the rows found, from `score_rows`; those of the index itself may come
            from coarse codes. Same shape as ``found.rows``.
        tolerance: How much less than the exact place k a score may be to count as tied.

    Returns:
        Means over the queries that have an exact neighbour at all.

    Raises:
        ArgumentError: Too few columns, unlike numbers of queries, or no query with a neighbour.
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
    """How many of each query's rows are among its accepted ones: (n, a), (n, b) -> (n,)."""
    # One set for all queries: a row becomes a number that no other query uses.
    span = int(max(rows.max(), accepted.max())) + 1
    offsets = np.arange(len(rows), dtype=np.int64)[:, None] * span
    keys = (accepted + offsets)[accepted != NO_ROW]
    hits: np.ndarray = np.isin(rows + offsets, keys) & (rows != NO_ROW)
    counts: np.ndarray = hits.sum(axis=1)
    return counts
