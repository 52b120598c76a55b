"""Calibration: a temperature that makes confidence honest, and the confidence below which to abstain.

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
COLDEST = 0.5
LEAST_CONFIDENCE = 0.5  # no label is given that is likelier wrong than right, however right the others are
LEAST_COVERAGE = 0.05  # a threshold has to leave at least this share of the calibration pairs


def best_temperature(logits: Logits, codes: Ints) -> float:
    """The temperature at which the judged labels are likeliest, COLDEST at least.

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
    return max(COLDEST, float(log_temperature.detach().exp()))


def lowest_threshold(confidences: npt.NDArray[np.float32], right: npt.NDArray[np.bool_], precision: float) -> float:
    """The lowest confidence such that, of the pairs with at least it, the wanted share is labelled right.

    Args:
        confidences: (pairs,)
        right: (pairs,) whether the likeliest label is the judged one.
        precision: the share.

    Raises:
        JudgmentsError: none reaches it that leaves LEAST_COVERAGE of the pairs.
    """
    order = np.argsort(-confidences, kind="stable")
    shares = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    # Pairs of equal confidence are kept or left together: a threshold ends where the next is lower.
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
    """Temperature and threshold, LEAST_CONFIDENCE at least, from logits and labels of the calibration pairs.

    Raises:
        JudgmentsError: no threshold reaches the precision.
    """
    temperature = best_temperature(logits, codes)
    lowest = lowest_threshold(confidence(logits, temperature), logits.argmax(axis=1) == codes, precision)
    return temperature, max(LEAST_CONFIDENCE, lowest)
