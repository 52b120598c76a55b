"""Paired comparisons, by hand."""

import math

import numpy as np
import pytest

from training.after_fit.paired import interval, is_within_one_error


def test_the_interval_is_as_written_a_second_time() -> None:
    found = interval(np.array([0.1, 0.3, -0.2, 0.2]))
    deviation = math.sqrt(sum((x - 0.1) ** 2 for x in (0.1, 0.3, -0.2, 0.2)) / 3)
    assert found.mean == pytest.approx(0.1)
    assert found.low == pytest.approx(0.1 - 1.96 * deviation / 2) and found.high == pytest.approx(
        0.1 + 1.96 * deviation / 2
    )


def test_one_query_shows_nothing() -> None:
    found = interval(np.array([-1.0]))
    assert found.low == -math.inf and found.high == math.inf


@pytest.mark.parametrize(
    ("behind", "within"), [([0.0, 0.0], True), ([0.1, 0.1, 0.1], False), ([0.5, -0.4, 0.0], True), ([-0.1, -0.2], True)]
)
def test_a_lead_within_one_standard_error_is_none(behind: list[float], within: bool) -> None:
    assert is_within_one_error(np.array(behind)) == within
