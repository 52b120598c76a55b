"""Means over queries with bootstrap confidence intervals, and paired randomisation tests.

Queries are what is drawn again: they are the sample, the products are not.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

RESAMPLES = 2000
CONFIDENCE = 0.95
RANDOMISATIONS = 10_000
_QUERIES_PER_BLOCK = 2_000_000  # drawn numbers held at once
_ROUNDING = 1e-12  # sums of the same numbers in another order differ by less, relative to their size


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


def randomisation_p_value(differences: Values, seed: int = 0) -> float:
    """Two-sided p-value of a paired randomisation test: were the two models alike, each query's difference
    would as well have the other sign.

    p is the share of sign patterns whose mean is at least as far from zero as the one found. All 2**n
    patterns are counted where there are no more than RANDOMISATIONS of them (n being the queries that
    differ at all); otherwise RANDOMISATIONS are drawn, and the one found counts among them, so that p is
    never zero: p = (1 + as far) / (1 + RANDOMISATIONS).

    Args:
        differences: (n,) the model's value less the baseline's, a query each.
        seed: of the drawing.
    """
    moved = differences[differences != 0]
    limit = abs(moved.sum()) - _ROUNDING * np.abs(moved).sum()
    if 2 ** len(moved) <= RANDOMISATIONS:
        patterns = (np.arange(2 ** len(moved))[:, None] >> np.arange(len(moved))) & 1
        return float(np.mean(np.abs(_signed_sums(patterns, moved)) >= limit))
    generator = np.random.default_rng(seed)
    per_block, as_far = max(1, _QUERIES_PER_BLOCK // len(moved)), 0
    for start in range(0, RANDOMISATIONS, per_block):
        shape = (min(per_block, RANDOMISATIONS - start), len(moved))
        as_far += int(np.sum(np.abs(_signed_sums(generator.integers(0, 2, shape, dtype=np.int8), moved)) >= limit))
    return (1 + as_far) / (1 + RANDOMISATIONS)


def _signed_sums(patterns: npt.NDArray[np.integer], values: Values) -> Values:
    """Sums of the values with signs by pattern (1: plus, 0: minus); (patterns, n) -> (patterns,)."""
    sums: Values = 2 * (patterns.astype(np.float64) @ values) - values.sum()
    return sums


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
