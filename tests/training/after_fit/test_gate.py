"""The gate of what is added after a fit: what passes, what does not, and what is said of it."""

import numpy as np
import pytest

from artifacts.bundle import RecallChange
from training.after_fit.gate import compare, describe, too_few_queries, wins

QUERIES = 400


def recalls(share: float, seed: int) -> np.ndarray:
    """So large a share of queries finds its purchase."""
    return (np.random.default_rng(seed).permutation(QUERIES) < share * QUERIES).astype(np.float64)


@pytest.mark.parametrize(
    ("first", "deep", "passes"),
    [
        ((0.3, 0.5), (0.5, 0.7), True),
        ((0.3, 0.3), (0.5, 0.7), True),  # not worse at the first places
        ((0.5, 0.3), (0.5, 0.7), False),
        ((0.3, 0.5), (0.5, 0.5), False),
        ((0.3, 0.3), (0.5, 0.51), False),  # a gain that could be chance
    ],
)
def test_recall_must_be_better_at_100_and_not_worse_at_10(
    first: tuple[float, float], deep: tuple[float, float], passes: bool
) -> None:
    without, with_it = ((recalls(first[it], it), recalls(deep[it], it + 2)) for it in (0, 1))
    comparison = compare(without, with_it)
    assert wins(comparison) == passes
    assert comparison.queries == QUERIES and comparison.recall_at_100.without == deep[0]
    assert f"recall@100 goes from {100 * deep[0]:.1f} to {100 * deep[1]:.1f} (by " in describe(comparison)


def test_recalls_are_compared_query_by_query() -> None:
    """A gain of one query in fifty is seen where all others are as before."""
    before = recalls(0.5, 0)
    after = before.copy()
    after[np.flatnonzero(before == 0)[:8]] = 1
    assert wins(compare((before, before), (before, after)))


def test_few_queries_are_too_few() -> None:
    assert too_few_queries(49) == "49 held-out queries are too few to choose it on, 50 are needed"


def test_the_key_of_older_bundles_is_read() -> None:
    older = {"without": 0.1, "with_prior": 0.2, "low": 0.05, "high": 0.15}
    assert RecallChange.model_validate(older) == RecallChange(without=0.1, with_it=0.2, low=0.05, high=0.15)
