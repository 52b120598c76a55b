"""The steps of draining and their one deadline."""

from dataclasses import astuple

import pytest

from service.core.drain_plan import drain_plan


@pytest.mark.parametrize(
    ("drain_seconds", "notice_seconds", "steps"),
    [
        (20, 1, (119, 119.25, 119.5, 120)),
        (3, 1, (102.5, 102.625, 102.75, 103)),
        (1, 0.8, (100.95, 100.9625, 100.975, 101)),
        (600, 0, (699, 699.25, 699.5, 700)),
    ],
)
def test_the_steps_end_one_after_the_other_before_the_deadline(
    drain_seconds: float, notice_seconds: float, steps: tuple[float, ...]
) -> None:
    assert astuple(drain_plan(100, drain_seconds, notice_seconds)) == pytest.approx(steps)
