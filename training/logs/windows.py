"""The two time windows of a data set: the training window, and the later evaluation window."""

import datetime
from collections.abc import Callable
from dataclasses import dataclass

from artifacts.dataset import Window
from training.errors import LogError

TRAINING_MONTHS = 12  # paper, section 4.1
_INSTANT = datetime.timedelta(microseconds=1)

# Returns the time of the log's last purchase, or of the last before a moment.
LastPurchase = Callable[[datetime.datetime | None], datetime.datetime | None]


@dataclass(frozen=True)
class WindowChoice:
    """The windows that were asked for; None where the log decides. All moments are UTC without a time zone.

    Attributes:
        evaluation_start: by default the first day of the last month with purchases.
        evaluation_end: not included; by default just after the last purchase.
        training_start: by default `training_months` before the evaluation window.
        training_months: by default 12, as in the paper.

    Raises:
        LogError: the training window is given twice, or a window is empty.
    """

    evaluation_start: datetime.datetime | None = None
    evaluation_end: datetime.datetime | None = None
    training_start: datetime.datetime | None = None
    training_months: int | None = None

    def __post_init__(self) -> None:
        if self.training_start is not None and self.training_months is not None:
            raise LogError("give --training-start or --training-months, one of them")
        if self.evaluation_start is not None:
            _check_order("--evaluation-end", self.evaluation_end, self.evaluation_start)


@dataclass(frozen=True)
class Windows:
    """Two windows that do not overlap: evaluation begins when or after training ends.

    Raises:
        LogError: a window is empty, or they overlap.
    """

    training: Window
    evaluation: Window

    def __post_init__(self) -> None:
        for name, window in (("training", self.training), ("evaluation", self.evaluation)):
            if window.start >= window.end:
                raise LogError(f"the {name} window is empty: {window.start} to {window.end}")
        if self.evaluation.start < self.training.end:
            raise LogError(
                f"the windows overlap: training ends at {self.training.end}, "
                f"evaluation begins at {self.evaluation.start}"
            )


def choose_windows(choice: WindowChoice, last_purchase: LastPurchase) -> Windows:
    """Return the windows that were asked for; what was left open follows from the log's last purchase.

    Args:
        choice: the windows that were asked for.
        last_purchase: returns the time of the log's last purchase.

    Raises:
        LogError: the log has no purchase before the end of the evaluation window, or a window would be empty.
    """
    last = last_purchase(choice.evaluation_end)
    if last is None:
        before = f" before {choice.evaluation_end}, --evaluation-end" if choice.evaluation_end else ""
        raise LogError(f"the log has no purchase of a product that the catalogue holds{before}")
    start = choice.evaluation_start or last.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    end = choice.evaluation_end or max(last, start) + _INSTANT
    if choice.training_start is not None:
        _check_order("the evaluation window", start, choice.training_start, other="--training-start")
    months = choice.training_months or TRAINING_MONTHS
    return Windows(
        training=Window(start=choice.training_start or _months_before(start, months), end=start),
        evaluation=Window(start=start, end=end),
    )


def _check_order(
    name: str, later: datetime.datetime | None, earlier: datetime.datetime, other: str = "--evaluation-start"
) -> None:
    if later is not None and later <= earlier:
        raise LogError(f"{name} is {later}; expected a moment after {other}, {earlier}")


def _months_before(moment: datetime.datetime, months: int) -> datetime.datetime:
    index = moment.year * 12 + moment.month - 1 - months
    return moment.replace(year=index // 12, month=index % 12 + 1, day=min(moment.day, 28))
