"""Calibration: a temperature that makes confidence match accuracy, and the confidence below which to abstain.

Both are chosen on judged queries that the model was not fitted to. Source of temperature scaling: Guo et al.,
On Calibration of Modern Neural Networks, 2017.
"""

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from towers.annotator import Logits, confidence
from towers.pair_tokens import Ints
from training.errors import JudgmentsError

_ITERATIONS = 100  # of L-BFGS, which needs far fewer for one number
# Where every calibration label is right, the likeliest temperature is 0, at which all confidences would be 1.
MIN_TEMPERATURE = 0.5
LEAST_CONFIDENCE = 0.5  # a label that is more likely wrong than right is never given
LEAST_COVERAGE = 0.05  # at least this share of the calibration pairs must be above the threshold


def best_temperature(logits: Logits, codes: Ints) -> float:
    """Return the temperature at which the judged labels are most likely, at least MIN_TEMPERATURE.

    Args:
        logits: (pairs, labels)
        codes: (pairs,) judged labels.
    """
    scores, judged = torch.from_numpy(logits).double(), torch.from_numpy(codes)
    log_temperature = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([log_temperature], max_iter=_ITERATIONS, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        value = nn.functional.cross_entropy(scores / log_temperature.exp(), judged)
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    return max(MIN_TEMPERATURE, float(log_temperature.detach().exp()))


def lowest_threshold(confidences: npt.NDArray[np.float32], right: npt.NDArray[np.bool_], precision: float) -> float:
    """Return the lowest confidence such that the wanted share of the pairs at or above it is labelled right.

    Args:
        confidences: (pairs,)
        right: (pairs,) whether the likeliest label is the judged one.
        precision: the wanted share.

    Raises:
        JudgmentsError: no confidence reaches it with at least LEAST_COVERAGE of the pairs.
    """
    order = np.argsort(-confidences, kind="stable")
    shares = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    # Pairs of equal confidence are labelled or left out together: a threshold lies where the next confidence is lower.
    ends = np.append(confidences[order][1:] < confidences[order][:-1], True)
    possible = ends & (np.arange(1, len(order) + 1) >= LEAST_COVERAGE * len(order))
    reached = np.flatnonzero(possible & (shares >= precision))
    if not len(reached):
        raise JudgmentsError(
            f"no confidence threshold makes {precision:.0%} of the labels right on the calibration queries: "
            f"the best reaches {shares[possible].max():.1%} there; ask for less with --precision, or give more "
            "judgments or attributes"
        )
    return float(confidences[order][reached[-1]])


def calibrated(logits: Logits, codes: Ints, precision: float) -> tuple[float, float]:
    """Return temperature and threshold (at least LEAST_CONFIDENCE) from logits and labels of the calibration pairs.

    Raises:
        JudgmentsError: no threshold reaches the precision.
    """
    temperature = best_temperature(logits, codes)
    lowest = lowest_threshold(confidence(logits, temperature), logits.argmax(axis=1) == codes, precision)
    return temperature, max(LEAST_CONFIDENCE, lowest)
