"""Means over queries with bootstrap confidence intervals, and paired randomisation tests.

The bootstrap resamples queries, not products: the queries are the sample from a population.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

RESAMPLES = 2000
CONFIDENCE = 0.95
RANDOMISATIONS = 10_000
_QUERIES_PER_BLOCK = 2_000_000  # random numbers in memory at once
_ROUNDING = 1e-12  # relative tolerance: floating-point sums of the same numbers in another order differ by less


@dataclass(frozen=True)
class Estimate:
    """A mean over queries, or a ratio of two, with its confidence interval (percentile bootstrap)."""

    mean: float
    low: float
    high: float
    queries: int


def estimate(values: Values, seed: int = 0) -> Estimate:
    """Return the mean of per-query values and its 95% confidence interval.

    Args:
        values: (n,) one value per query, n >= 1. For a paired comparison, the differences on the same queries.
        seed: seed of the resampling.
    """
    means = _resampled_means(values, seed)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(means, (tail, 1 - tail))
    return Estimate(float(values.mean()), float(low), float(high), len(values))


def ratio_of_means(values: Values, references: Values, seed: int = 0) -> Estimate | None:
    """Return the ratio of two means over the same queries and its 95% confidence interval; None if there is no ratio.

    Numerator and denominator are resampled together, since they belong to the same queries.

    Args:
        values: (n,) one value per query: the numerator's.
        references: (n,) the denominator's, in the same order.
        seed: seed of the resampling.
    """
    if not len(values) or references.mean() == 0:
        return None
    means = _resampled_means(np.stack([values, references], axis=1), seed)
    means = means[means[:, 1] != 0]  # a few queries can be drawn without any that has a reference
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(means[:, 0] / means[:, 1], (tail, 1 - tail))
    return Estimate(float(values.mean() / references.mean()), float(low), float(high), len(values))


def randomisation_p_value(differences: Values, seed: int = 0) -> float:
    """Return the two-sided p-value of a paired randomisation test.

    Null hypothesis: the two models are exchangeable, so that each query's difference is as likely to have the
    opposite sign. p is the share of sign patterns whose mean is at least as far from zero as the observed one.
    With n queries of non-zero difference, all 2**n patterns are enumerated if they are at most RANDOMISATIONS.
    Otherwise RANDOMISATIONS patterns are drawn, and the observed one is counted too, so that p is never zero:
    p = (1 + number at least as far) / (1 + RANDOMISATIONS).

    Args:
        differences: (n,) the model's value minus the baseline's for each query.
        seed: seed of the drawn patterns.
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
    """Return the sum of the values under each sign pattern (1: plus, 0: minus); (patterns, n) -> (patterns,)."""
    sums: Values = 2 * (patterns.astype(np.float64) @ values) - values.sum()
    return sums


def _resampled_means(values: Values, seed: int) -> Values:
    """Return the means of RESAMPLES bootstrap samples of n queries: of (n,) values one each, of (n, m) m each."""
    generator = np.random.default_rng(seed)
    count = len(values)
    per_block = max(1, _QUERIES_PER_BLOCK // count)
    blocks = []
    for start in range(0, RESAMPLES, per_block):
        drawn = generator.integers(0, count, size=(min(per_block, RESAMPLES - start), count))
        blocks.append(values[drawn].mean(axis=1))
    return np.concatenate(blocks)
