"""An annotator's card as tables to print."""

from artifacts.annotator import Agreement, AnnotatorCard, Reliability
from artifacts.judgments import Relevance


def report_tables(card: AnnotatorCard) -> str:
    """Everything that the report says, in text."""
    report, labelling, split = card.report, card.labelling, card.origin.split
    lines = [
        f"fitted to {split.fit_pairs:,} pairs of {split.fit_queries:,} queries, calibrated on "
        f"{split.calibration_pairs:,} of {split.calibration_queries:,}, measured on {report.pairs:,} of "
        f"{report.queries:,}",
        f"{split.unknown_products:,} judgments left out: their product is not in the catalogue",
        f"temperature {labelling.temperature:.3f}; abstains below a confidence of {labelling.threshold:.3f}, "
        f"chosen for {card.origin.precision:.0%} right labels",
        "",
        f"labels {report.coverage:.1%} of the held-out pairs, by label judged: "
        + ", ".join(f"{label} {_percent(share)}" for label, share in report.coverage_by_label.items()),
        "",
        "on the pairs that it labels:",
        *_agreement_lines(report.given),
        "",
        "if it had to label all:",
        *_agreement_lines(report.forced),
        "",
        *_reliability_lines(report.before_calibration, report.after_calibration),
    ]
    return "\n".join(lines)


def _agreement_lines(agreement: Agreement) -> list[str]:
    given = "".join(f"{f'as {label}':>9}" for label in Relevance)
    lines = [f"{'judged':8}{'precision':>10}{'recall':>10}{'F1':>10}{'pairs':>9}{given}"]
    for row, label in zip(agreement.confusion, Relevance, strict=True):
        scores = agreement.by_label[label]
        shares = "".join(f"{_percent(share):>10}" for share in (scores.precision, scores.recall, scores.f1))
        counts = "".join(f"{count:>9,}" for count in row)
        lines.append(f"{label:8}{shares}{scores.support:>9,}{counts}")
    return [*lines, f"{_percent(agreement.accuracy)} of {agreement.pairs:,} labels are right"]


def _reliability_lines(before: Reliability, after: Reliability) -> list[str]:
    lines = [
        f"expected calibration error {before.expected_calibration_error:.3f} before calibration, "
        f"{after.expected_calibration_error:.3f} after",
        f"{'confidence':14}{'pairs':>9}{'mean':>9}{'right':>9}",
    ]
    return lines + [
        f"{f'{part.low:.1f} to {part.high:.1f}':14}{part.pairs:>9,}{_percent(part.confidence):>9}"
        f"{_percent(part.accuracy):>9}"
        for part in after.bins
        if part.pairs
    ]


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"
