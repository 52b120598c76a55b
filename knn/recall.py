"""Recall: the share of the exact answer that an approximate answer contains."""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from .errors import ArgumentError
from .neighbours import NO_ROW, Neighbours

# Scores that differ by less than this are equal within the rounding of float32.
TIE_EPSILON = 1e-6
# How far below the exact rank k a product may score at most and still count as tied with it. On fused embeddings a
# query's 100 best scores lie within about 0.03 of each other, and catalogues contain many near-copies: the order of two
# products whose scores differ by a thirtieth of that span does not matter to a shopper.
TIE_TOLERANCE = 1e-3
# Where a query's scores lie closer together, it is this share of the spread of the lower half of its exact answer: a
# thirtieth of the whole span on fused embeddings, too. A fixed tolerance counts any product as a hit where all score
# alike. The upper half is left out because one hit, such as a product found by its own title, may score far above all
# others, which says nothing about the scores around rank k.
TIE_SHARE = 0.2
# How sure it is that a lower bound of recall holds for all queries of the same kind.
CONFIDENCE = 0.975
# A few queries may all happen to be easy, and then do not vary. So a bound counts one more query, which misses this
# many times what the target allows. On curves of real queries the chosen point was then truly below its target in at
# most 4 % of draws of 5 to 200 queries; with a margin of one standard error it was in up to 27 %.
IMAGINED_MISS = 4.0


@dataclass(frozen=True)
class Recall:
    """Recall at k, averaged over queries, from 0 to 1.

    Attributes:
        tie_tolerant: A returned row counts if its exact score is at least that of the exact rank k minus the query's
            tolerance (`tie_tolerances`). Operating points are chosen by this measure, because near-copies of a product
            are equally good.
        strict: A returned row counts if it is among the exact top k; which of several near-copies is among them
            is a matter of chance.
        standard_error: Standard error of `tie_tolerant` over the queries.
        queries: Number of queries.
    """

    tie_tolerant: float
    strict: float
    standard_error: float
    queries: int

    def lower_bound(self, target: float) -> float:
        """Return the tie-tolerant recall that the queries of this kind very likely have on average.

        It is the lower limit of Student's one-sided interval at `CONFIDENCE`, over these queries and one imagined
        query that misses `IMAGINED_MISS` times what the target allows. With fewer than a dozen queries it is below a
        target between 0.75 and 1, whatever they find.

        Args:
            target: The recall to reach, above 0 and at most 1.
        """
        count = self.queries + 1
        gap = self.tie_tolerant - max(0.0, 1 - IMAGINED_MISS * (1 - target))
        squares = (self.queries * self.standard_error) ** 2 + gap**2 * self.queries / count  # around the mean
        error = math.sqrt(squares / self.queries / count)
        return self.tie_tolerant - gap / count - _student_quantile(self.queries) * error


def tie_tolerances(exact: Neighbours, k: int) -> np.ndarray:
    """Return how far below the exact rank k a score may be to count as tied, for each query.

    It is `TIE_SHARE` of the spread of the exact scores from rank k / 2 to rank k, or to the last rank where there are
    fewer; at least `TIE_EPSILON` and at most `TIE_TOLERANCE`. At k = 1 there is no spread.

    Args:
        exact: The exact neighbours of n queries, at least k columns.
        k: Cut-off.

    Returns:
        Shape (n, 1), float32.
    """
    counts = _true_counts(exact, k)
    spreads = np.zeros((len(counts), 1), np.float32)
    middle, last = _score_at(exact, (counts + 1) // 2), _score_at(exact, counts)
    np.subtract(middle, last, out=spreads, where=counts[:, None] > 0)
    tolerances: np.ndarray = np.clip(TIE_SHARE * spreads, TIE_EPSILON, TIE_TOLERANCE)
    return tolerances


def measure_recall(found: Neighbours, exact: Neighbours, k: int, exact_scores: np.ndarray) -> Recall:
    """Compute recall at k.

    Args:
        found: The rows that an index found, at least k columns.
        exact: The result of `exact_search` for the same queries, at least k columns.
        k: Cut-off.
        exact_scores: Exact scores of the rows found, from `score_rows`, because an index may compute scores from
            coarse codes. Same shape as ``found.rows``.

    Returns:
        Means over the queries that have an exact neighbour.

    Raises:
        ArgumentError: There are too few columns, the numbers of queries differ, or no query has a neighbour.
    """
    _check_shapes(found, exact, k)
    truths = _true_counts(exact, k)
    asked = truths > 0
    if not asked.any():
        raise ArgumentError("expected at least one query with an exact neighbour, got none; measure over a full index")
    least = _score_at(exact, truths) - tie_tolerances(exact, k)
    good = (exact_scores[:, :k] >= least) & (found.rows[:, :k] != NO_ROW)
    tolerant = good.sum(axis=1)
    strict = _count_hits(found.rows[:, :k], exact.rows[:, :k])
    shares = tolerant[asked] / truths[asked]
    return Recall(
        tie_tolerant=float(shares.mean()),
        strict=float((strict[asked] / truths[asked]).mean()),
        standard_error=float(shares.std() / np.sqrt(len(shares))),
        queries=len(shares),
    )


def _true_counts(exact: Neighbours, k: int) -> np.ndarray:
    """Return how many exact neighbours each query has among its first k. Shape (n,)."""
    counts: np.ndarray = np.minimum(exact.found, k)
    return counts


def _score_at(exact: Neighbours, ranks: np.ndarray) -> np.ndarray:
    """Return each query's exact score at its rank, counted from 1; rank 0 is taken for 1. Shape (n, 1)."""
    scores: np.ndarray = np.take_along_axis(exact.scores, np.maximum(ranks, 1)[:, None] - 1, axis=1)
    return scores


def _student_quantile(freedom: int) -> float:
    """Return the quantile of Student's t at `CONFIDENCE`, by the first terms of its series around the normal one."""
    z = NormalDist().inv_cdf(CONFIDENCE)
    first, second = (z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / freedom + second / freedom**2 + third / freedom**3


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
