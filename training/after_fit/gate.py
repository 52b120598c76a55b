"""The gate of what a fit adds to products' vectors afterwards, on purchases for queries that training never saw.

Popularity (popularity.py) and products' history (training/fitting/history.py) are added only where recall is better at
DEPTH products and not worse at FIRST_DEPTH, each by the 95% interval of its difference, query by query.
"""

import numpy as np
import numpy.typing as npt

from artifacts.bundle import RecallChange, RecallComparison
from training.after_fit.paired import interval

LEAST_QUERIES = 50  # held-out queries, with fewer of which nothing is added
DEPTH, FIRST_DEPTH = 100, 10

Recalls = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]  # of each query, at FIRST_DEPTH and at DEPTH


def compare(without: Recalls, with_it: Recalls) -> RecallComparison:
    """Compare a model with an addition and the same model without, on the same queries."""
    first, deep = (_change(*recalls) for recalls in zip(without, with_it, strict=True))
    return RecallComparison(queries=len(without[0]), recall_at_10=first, recall_at_100=deep)


def wins(comparison: RecallComparison) -> bool:
    """Return whether an addition passes the gate."""
    return comparison.recall_at_100.low > 0 and comparison.recall_at_10.high >= 0


def describe(comparison: RecallComparison) -> str:
    """Say in a clause what an addition changes."""
    return (
        f"on {comparison.queries:,} held-out queries recall@{DEPTH} goes {_describe(comparison.recall_at_100)} "
        f"and recall@{FIRST_DEPTH} {_describe(comparison.recall_at_10)}"
    )


def too_few_queries(count: int) -> str:
    """Say in a clause why nothing is added where there are so many held-out queries, fewer than LEAST_QUERIES."""
    return f"{count} held-out queries are too few to choose it on, {LEAST_QUERIES} are needed"


def _change(without: npt.NDArray[np.float64], with_it: npt.NDArray[np.float64]) -> RecallChange:
    gain = interval(with_it - without)
    return RecallChange(without=float(without.mean()), with_it=float(with_it.mean()), low=gain.low, high=gain.high)


def _describe(change: RecallChange) -> str:
    return (
        f"from {100 * change.without:.1f} to {100 * change.with_it:.1f} "
        f"(by {100 * change.low:+.1f} to {100 * change.high:+.1f} points)"
    )
