import numpy as np
import pytest
from scipy import stats

from evaluation.statistics import estimate


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


def test_a_constant_has_no_width() -> None:
    found = estimate(np.full(5, 0.25))
    assert (found.low, found.mean, found.high) == (0.25, 0.25, 0.25)
