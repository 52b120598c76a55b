"""Means over queries with bootstrap confidence intervals.

Queries are what is drawn again: they are the sample, the products are not.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

RESAMPLES = 2000
CONFIDENCE = 0.95
_QUERIES_PER_BLOCK = 2_000_000  # drawn numbers held at once


@dataclass(frozen=True)
class Estimate:
    """A mean over queries with its confidence interval (percentile bootstrap)."""

    mean: float
    low: float
    high: float
    queries: int


def estimate(values: Values, seed: int = 0) -> Estimate:
    """The mean of per-query values and its 95% confidence interval.

    Args:
        values: (n,) one value a query, n >= 1. For a comparison give differences of the same queries.
        seed: of the resampling.
    """
    means = _resampled_means(values, seed)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(means, (tail, 1 - tail))
    return Estimate(float(values.mean()), float(low), float(high), len(values))


def _resampled_means(values: Values, seed: int) -> Values:
    """Means of RESAMPLES samples of n values, drawn with replacement."""
    generator = np.random.default_rng(seed)
    count = len(values)
    per_block = max(1, _QUERIES_PER_BLOCK // count)
    blocks = []
    for start in range(0, RESAMPLES, per_block):
        drawn = generator.integers(0, count, size=(min(per_block, RESAMPLES - start), count))
        blocks.append(values[drawn].mean(axis=1))
    return np.concatenate(blocks)
