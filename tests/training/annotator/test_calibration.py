"""Temperature against SciPy's minimum, threshold against a slow search."""

import re

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from training.annotator.calibration import (
    LEAST_CONFIDENCE,
    LEAST_COVERAGE,
    MIN_TEMPERATURE,
    best_temperature,
    calibrated,
    lowest_threshold,
)
from training.errors import JudgmentsError


def drawn(scale: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits that are `scale` times the true ones, and labels drawn with the true probabilities."""
    rng = np.random.default_rng(seed)
    true = rng.normal(size=(4000, 4)) * 2
    codes = np.array([rng.choice(4, p=row) for row in softmax(true, axis=1)])
    return (true * scale).astype(np.float32), codes


@pytest.mark.parametrize("scale", [0.7, 1.0, 4.0])
def test_temperature_is_the_likeliest_and_undoes_the_scale(scale: float) -> None:
    logits, codes = drawn(scale)

    def loss(log_temperature: float) -> float:
        return float(-log_softmax(logits / np.exp(log_temperature), axis=1)[np.arange(len(codes)), codes].mean())

    best = np.exp(minimize_scalar(loss, bounds=(-4, 4), method="bounded").x)
    assert best_temperature(logits, codes) == pytest.approx(best, rel=1e-3)
    assert best_temperature(logits, codes) == pytest.approx(scale, rel=0.1)


def test_confidences_are_not_driven_to_one_where_every_label_is_right() -> None:
    logits = np.eye(4, dtype=np.float32)[np.arange(40) % 4] * 5
    assert best_temperature(logits, np.arange(40) % 4) == MIN_TEMPERATURE


def test_no_label_is_given_that_is_likelier_wrong_than_right() -> None:
    logits = np.eye(4, dtype=np.float32)[np.arange(40) % 4] * 0.1  # right, but at a confidence of 0.29
    assert calibrated(logits, np.arange(40) % 4, 0.9) == (MIN_TEMPERATURE, LEAST_CONFIDENCE)


def slow_threshold(confidences: np.ndarray, right: np.ndarray, precision: float) -> float | None:
    """The lowest of all confidences at which enough pairs are labelled and enough of them are right."""
    reached = [
        float(candidate)
        for candidate in confidences
        if (confidences >= candidate).mean() >= LEAST_COVERAGE and right[confidences >= candidate].mean() >= precision
    ]
    return min(reached, default=None)


@pytest.mark.parametrize("precision", [0.0, 0.5, 0.7, 0.8, 0.9])
@pytest.mark.parametrize("digits", [1, 6])  # with one digit, many pairs have the same confidence
def test_threshold_is_the_lowest_that_reaches_the_precision(precision: float, digits: int) -> None:
    rng = np.random.default_rng(1)
    confidences = rng.uniform(0.25, 1, 400).round(digits).astype(np.float32)
    right = rng.random(400) < confidences
    assert lowest_threshold(confidences, right, precision) == slow_threshold(confidences, right, precision)


def test_a_precision_out_of_reach_is_refused_with_the_best_one() -> None:
    confidences = np.linspace(0.3, 0.9, 100, dtype=np.float32)
    right = np.arange(100) % 5 > 1
    right[-4:] = True  # right at the top, but on too few pairs to count
    message = (
        "no confidence threshold makes 99% of the labels right on the calibration queries: "
        "the best reaches 87.5% there; ask for less with --precision, or give more judgments or attributes"
    )
    with pytest.raises(JudgmentsError, match=f"^{re.escape(message)}$"):
        lowest_threshold(confidences, right, 0.99)
