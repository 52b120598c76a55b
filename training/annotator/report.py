"""The measures of an annotator on held-out queries. Labels are places in tuple(Relevance) throughout."""

import numpy as np
import numpy.typing as npt

from artifacts.annotator import Agreement, AnnotatorReport, LabelScores, Reliability, ReliabilityBin
from artifacts.judgments import Relevance
from towers.pair_tokens import Ints

BINS = 10
_LABELS = tuple(Relevance)

Floats = npt.NDArray[np.float32]


def annotator_report(
    queries: int, judged: Ints, likeliest: Ints, raw: Floats, calibrated: Floats, threshold: float
) -> AnnotatorReport:
    """Compute all measures of an annotator.

    Args:
        queries: number of distinct queries of the pairs.
        judged: (pairs,) judged labels.
        likeliest: (pairs,) most probable labels.
        raw: (pairs,) confidence before calibration.
        calibrated: (pairs,) confidence after it.
        threshold: confidence below which a pair is not labelled.
    """
    labelled = calibrated >= threshold
    right = judged == likeliest
    coverage = {label: _share(labelled[judged == code]) for code, label in enumerate(_LABELS)}
    return AnnotatorReport(
        queries=queries,
        pairs=len(judged),
        forced=agreement(judged, likeliest),
        given=agreement(judged[labelled], likeliest[labelled]),
        coverage=float(labelled.mean()),
        coverage_by_label=coverage,
        before_calibration=reliability(raw, right),
        after_calibration=reliability(calibrated, right),
    )


def agreement(judged: Ints, given: Ints) -> Agreement:
    """Compute confusion matrix, and precision, recall and F1 of each label."""
    confusion = np.zeros((len(_LABELS), len(_LABELS)), dtype=np.int64)
    np.add.at(confusion, (judged, given), 1)
    return Agreement(
        pairs=len(judged),
        accuracy=_share(judged == given),
        by_label={label: _scores(confusion, code) for code, label in enumerate(_LABELS)},
        confusion=tuple(tuple(row) for row in confusion.tolist()),
    )


def reliability(confidences: Floats, right: npt.NDArray[np.bool_]) -> Reliability:
    """Compare confidence and accuracy in bins of equal width; the last bin includes 1."""
    numbers = np.minimum((confidences * BINS).astype(int), BINS - 1)
    bins = [_bin(number, confidences[numbers == number], right[numbers == number]) for number in range(BINS)]
    gaps = [
        part.pairs * abs(part.confidence - part.accuracy)
        for part in bins
        if part.confidence is not None and part.accuracy is not None
    ]
    return Reliability(expected_calibration_error=sum(gaps) / len(confidences), bins=tuple(bins))


def _bin(number: int, confidences: Floats, right: npt.NDArray[np.bool_]) -> ReliabilityBin:
    return ReliabilityBin(
        low=number / BINS,
        high=(number + 1) / BINS,
        pairs=len(confidences),
        confidence=float(confidences.mean(dtype=np.float64)) if len(confidences) else None,
        accuracy=_share(right),
    )


def _scores(confusion: Ints, code: int) -> LabelScores:
    hits, judged, given = int(confusion[code, code]), int(confusion[code].sum()), int(confusion[:, code].sum())
    return LabelScores(
        precision=hits / given if given else None,
        recall=hits / judged if judged else None,
        f1=2 * hits / (given + judged) if given + judged else None,
        support=judged,
    )


def _share(flags: npt.NDArray[np.bool_]) -> float | None:
    return float(flags.mean()) if len(flags) else None
