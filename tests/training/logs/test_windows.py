"""Windows: what the log decides, what options decide, and what is refused."""

import datetime

import pytest

from artifacts.dataset import Window
from training.errors import LogError
from training.logs.windows import WindowChoice, Windows, choose_windows

Moment = datetime.datetime
LAST = Moment(2026, 2, 20, 12)


def last_purchase(before: Moment | None) -> Moment | None:
    """Of a log with a purchase on 2025-12-05 and one at LAST."""
    found = [moment for moment in (Moment(2025, 12, 5), LAST) if before is None or moment < before]
    return max(found, default=None)


@pytest.mark.parametrize(
    ("choice", "training", "evaluation_end"),
    [
        (WindowChoice(), (Moment(2025, 2, 1), Moment(2026, 2, 1)), LAST + datetime.timedelta(microseconds=1)),
        (
            WindowChoice(evaluation_end=Moment(2026, 1, 1)),
            (Moment(2024, 12, 1), Moment(2025, 12, 1)),
            Moment(2026, 1, 1),
        ),
        (
            WindowChoice(evaluation_start=Moment(2026, 1, 15), training_start=Moment(2025, 12, 1)),
            (Moment(2025, 12, 1), Moment(2026, 1, 15)),
            LAST + datetime.timedelta(microseconds=1),
        ),
        (
            WindowChoice(evaluation_start=Moment(2026, 1, 31), training_months=2),
            (Moment(2025, 11, 28), Moment(2026, 1, 31)),
            LAST + datetime.timedelta(microseconds=1),
        ),
    ],
)
def test_windows_touch_and_never_overlap(
    choice: WindowChoice, training: tuple[Moment, Moment], evaluation_end: Moment
) -> None:
    windows = choose_windows(choice, last_purchase)
    assert (windows.training.start, windows.training.end) == training
    assert (windows.evaluation.start, windows.evaluation.end) == (training[1], evaluation_end)


def choose(**choice: Moment | int) -> Windows:
    return choose_windows(WindowChoice(**choice), last_purchase)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (
            {"training_start": LAST, "training_months": 3},
            "give --training-start or --training-months, one of them",
        ),
        (
            {"evaluation_start": LAST, "evaluation_end": LAST},
            "--evaluation-end is 2026-02-20 12:00:00; expected a moment after --evaluation-start, 2026-02-20 12:00:00",
        ),
        (
            {"training_start": LAST},
            "the evaluation window is 2026-02-01 00:00:00; expected a moment after --training-start, "
            "2026-02-20 12:00:00",
        ),
        (
            {"evaluation_end": Moment(2025, 1, 1)},
            "the log has no purchase of a product that the catalogue holds before 2025-01-01 00:00:00, "
            "--evaluation-end",
        ),
    ],
)
def test_bad_choices_are_refused(choice: dict[str, Moment | int], message: str) -> None:
    with pytest.raises(LogError) as caught:
        choose(**choice)
    assert str(caught.value) == message


def test_overlapping_windows_cannot_be_made() -> None:
    first, second, third = Moment(2026, 1, 1), Moment(2026, 1, 2), Moment(2026, 1, 3)
    with pytest.raises(LogError, match="the windows overlap: training ends at 2026-01-03 00:00:00, evaluation begins"):
        Windows(Window(start=first, end=third), Window(start=second, end=third))
    with pytest.raises(LogError, match="the training window is empty"):
        Windows(Window(start=second, end=second), Window(start=second, end=third))
