"""Recalls of two models on the same queries, compared query by query."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_DEVIATIONS = 1.96  # of a 95% interval

_Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """The mean of differences by query, and its 95% interval."""

    mean: float
    low: float
    high: float


def interval(differences: _Numbers) -> Interval:
    """Return the interval of the mean of differences, (queries,); it has no bounds with a single query."""
    mean, count = float(differences.mean()), len(differences)
    error = _DEVIATIONS * float(differences.std(ddof=1)) / count**0.5 if count > 1 else np.inf
    return Interval(mean, mean - error, mean + error)


def is_within_one_error(behind: _Numbers) -> bool:
    """Return whether recalls by query, (queries,), are behind others by no more than one standard error."""
    return bool(behind.mean() <= behind.std() / np.sqrt(len(behind)))
