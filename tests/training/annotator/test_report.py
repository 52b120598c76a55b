"""The report's figures against torchmetrics and against counting pair by pair."""

from typing import Any

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import (
    multiclass_calibration_error,
    multiclass_confusion_matrix,
    multiclass_f1_score,
    multiclass_precision,
    multiclass_recall,
)

from artifacts.judgments import Relevance
from training.annotator.report import agreement, annotator_report, reliability


def drawn(labels: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Judged labels, and given ones that are right in two cases of three."""
    rng = np.random.default_rng(0)
    judged = rng.integers(0, labels, 600)
    return judged, np.where(rng.random(600) < 0.66, judged, rng.integers(0, labels, 600))


def test_scores_are_those_of_torchmetrics() -> None:
    judged, given = drawn()
    found = agreement(judged, given)
    arguments: tuple[Any, ...] = (torch.from_numpy(given), torch.from_numpy(judged), 4, "none")
    for name, metric in (
        ("precision", multiclass_precision),
        ("recall", multiclass_recall),
        ("f1", multiclass_f1_score),
    ):
        ours = [getattr(found.by_label[label], name) for label in Relevance]
        np.testing.assert_allclose(ours, metric(*arguments).numpy(), rtol=1e-6)
    matrix = multiclass_confusion_matrix(torch.from_numpy(given), torch.from_numpy(judged), 4)
    assert [list(row) for row in found.confusion] == matrix.tolist()
    assert found.accuracy == (judged == given).mean()
    assert [found.by_label[label].support for label in Relevance] == np.bincount(judged).tolist()


def test_a_label_that_does_not_occur_has_no_scores() -> None:
    found = agreement(*drawn(labels=2))
    absent = found.by_label[Relevance.COMPLEMENT]
    assert (absent.precision, absent.recall, absent.f1, absent.support) == (None, None, None, 0)


def test_a_label_that_is_never_given_has_recall_zero_and_no_precision() -> None:
    found = agreement(np.array([0, 1, 1]), np.array([0, 0, 0])).by_label[Relevance.SUBSTITUTE]
    assert (found.precision, found.recall, found.f1, found.support) == (None, 0.0, 0.0, 2)


def test_calibration_error_is_that_of_torchmetrics() -> None:
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(4) * 0.5, 800).astype(np.float32)
    judged = rng.integers(0, 4, 800)
    confidences, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == judged
    found = reliability(confidences, right)
    arguments = torch.from_numpy(probabilities), torch.from_numpy(judged)
    expected = float(multiclass_calibration_error(*arguments, num_classes=4, n_bins=10, norm="l1"))
    assert found.expected_calibration_error == pytest.approx(expected, abs=1e-5)
    for part in found.bins:
        inside = [i for i, value in enumerate(confidences) if part.low <= value < part.high]
        assert part.pairs == len(inside)
        if inside:
            assert part.confidence == pytest.approx(np.mean([confidences[i] for i in inside], dtype=np.float64))
            assert part.accuracy == np.mean([right[i] for i in inside])


def test_full_confidence_is_in_the_last_bin() -> None:
    found = reliability(np.array([1.0, 0.95], dtype=np.float32), np.array([True, False]))
    assert found.bins[-1].pairs == 2 and sum(part.pairs for part in found.bins) == 2


def test_coverage_counts_what_reaches_the_threshold() -> None:
    judged, likeliest = np.array([0, 0, 1, 3]), np.array([0, 1, 1, 3])
    confidences = np.array([0.9, 0.4, 0.5, 0.49], dtype=np.float32)
    found = annotator_report(2, judged, likeliest, confidences, confidences, threshold=0.5)
    assert (found.queries, found.pairs, found.coverage) == (2, 4, 0.5)
    assert found.coverage_by_label == {"E": 0.5, "S": 1.0, "C": None, "I": 0.0}
    assert (found.given.pairs, found.given.accuracy, found.forced.accuracy) == (2, 1.0, 0.75)
