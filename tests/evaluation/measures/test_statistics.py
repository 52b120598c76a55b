import itertools

import numpy as np
import pytest
from scipy import stats

from evaluation.measures.statistics import estimate, randomisation_p_value, ratio_of_means


def test_interval_equals_a_trusted_library() -> None:
    values = np.random.default_rng(0).beta(0.5, 0.5, size=400)
    mine = estimate(values)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=4000, method="percentile", random_state=1)
    assert mine.mean == pytest.approx(values.mean())
    assert mine.low == pytest.approx(theirs.confidence_interval.low, abs=0.006)
    assert mine.high == pytest.approx(theirs.confidence_interval.high, abs=0.006)
    assert mine.queries == 400


def test_intervals_cover_the_true_mean_as_often_as_they_say() -> None:
    covered = 0
    for trial in range(200):
        values = np.random.default_rng(trial).binomial(1, 0.3, size=200).astype(float)
        found = estimate(values, seed=trial)
        covered += found.low <= 0.3 <= found.high
    assert 0.90 <= covered / 200 <= 0.99


def test_interval_of_a_ratio_equals_a_trusted_library() -> None:
    draw = np.random.default_rng(0)
    references = draw.beta(2, 2, size=400)
    values = np.clip(references - draw.beta(1, 8, size=400), 0, 1)
    mine = ratio_of_means(values, references)
    theirs = stats.bootstrap(
        (values, references),
        lambda a, b, axis: np.mean(a, axis=axis) / np.mean(b, axis=axis),
        paired=True,
        n_resamples=4000,
        method="percentile",
        random_state=1,
    )
    assert mine
    assert mine.mean == pytest.approx(values.mean() / references.mean())
    assert mine.low == pytest.approx(theirs.confidence_interval.low, abs=0.004)
    assert mine.high == pytest.approx(theirs.confidence_interval.high, abs=0.004)


def test_a_ratio_to_nothing_is_none() -> None:
    assert ratio_of_means(np.zeros(0), np.zeros(0)) is None
    assert ratio_of_means(np.ones(3), np.zeros(3)) is None
    found = ratio_of_means(np.array([0.0, 1.0]), np.array([0.0, 1.0]))  # samples of the first alone have no ratio
    assert found and found.mean == found.low == found.high == 1


def test_a_constant_has_no_width() -> None:
    found = estimate(np.full(5, 0.25))
    assert (found.low, found.mean, found.high) == (0.25, 0.25, 0.25)


def by_library(differences: np.ndarray, resamples: float) -> float:
    def mean(values: np.ndarray, axis: int = -1) -> np.ndarray:
        return np.mean(values, axis=axis)

    test = stats.permutation_test(
        (differences,), mean, permutation_type="samples", n_resamples=resamples, vectorized=True, random_state=3
    )
    return float(test.pvalue)


@pytest.mark.parametrize("count", [2, 4, 9])
@pytest.mark.parametrize("shift", [-0.4, 0.0, 0.15])
def test_few_queries_are_counted_exactly_as_by_a_library(count: int, shift: float) -> None:
    differences = np.random.default_rng(count).normal(shift, 0.3, size=count)
    assert randomisation_p_value(differences) == pytest.approx(by_library(differences, np.inf))


@pytest.mark.parametrize("shift", [0.01, 0.03, 0.06])
def test_many_queries_are_drawn_as_by_a_library(shift: float) -> None:
    differences = np.random.default_rng(7).normal(shift, 0.3, size=300)
    assert randomisation_p_value(differences) == pytest.approx(by_library(differences, 9999), abs=0.02)


def test_all_patterns_written_out() -> None:
    differences = np.array([0.5, 0.25, 0.0, -0.25, 0.5])
    sums = [np.dot(signs, differences) for signs in itertools.product((-1, 1), repeat=5)]
    assert randomisation_p_value(differences) == np.mean(np.abs(sums) >= 1.0)


def test_queries_that_do_not_differ_change_nothing() -> None:
    differences = np.random.default_rng(1).normal(0.1, 0.2, size=40)
    padded = np.concatenate([differences, np.zeros(1000)])
    assert randomisation_p_value(padded) == randomisation_p_value(differences)
    assert randomisation_p_value(np.zeros(20)) == 1.0


def test_a_clear_difference_has_the_smallest_p_value_and_never_zero() -> None:
    assert randomisation_p_value(np.full(50, 0.1)) == 1 / 10_001
