"""The charts of the report, each drawn from the results that it needs."""

from markupsafe import Markup

from evaluation.report_page.figures.alpha_sweep import AlphaSweep, alpha_sweep
from evaluation.report_page.figures.label_bars import LabelShares, label_bars
from evaluation.report_page.figures.lines import Line
from evaluation.report_page.figures.overlap_histograms import Overlap, overlap_histograms
from evaluation.report_page.figures.recall_against_exact import Point, recall_against_exact
from evaluation.report_page.figures.recall_curves import recall_curves
from evaluation.report_page.figures.training_curves import training_curves
from evaluation.report_page.inputs import ReportInputs
from evaluation.report_page.membership import shared_counts
from evaluation.results.records import Result, Source

_ALPHA_METRIC = "recall_at_alpha_"  # prefix of a bundle metric; the value of alpha follows


def recall_chart(inputs: ReportInputs) -> Markup | None:
    """Draw recall over the cut-off; None if all models are degenerate."""
    lines = [
        Line(result.model, inputs.role(result), cuts, [result.recall_at[cut].mean for cut in cuts])
        for result in inputs.measured
        if (cuts := sorted(result.recall_at))
    ]
    return recall_curves(lines) if lines else None


def label_chart(inputs: ReportInputs) -> Markup | None:
    """Draw the label shares of each model, by the first source of labels; None without labels."""
    models = [
        LabelShares(result.model, inputs.role(result), result.labels[source].precision)
        for source in inputs.sources[:1]
        for result in _labelled(inputs, source)
    ]
    return label_bars(models) if models else None


def scatter_chart(inputs: ReportInputs) -> Markup | None:
    """Draw recall against the share of Exact products; None without labels."""
    points = [
        Point(result.model, inputs.role(result), result.recall, result.labels[source].precision["E"])
        for source in inputs.sources[:1]
        for result in _labelled(inputs, source)
        if result.recall
    ]
    return recall_against_exact(points) if points else None


def alpha_chart(inputs: ReportInputs) -> Markup | None:
    """Draw validation recall over alpha; None if no model has a tuned alpha."""
    sweeps = [sweep for result in inputs.results if (sweep := _sweep(result))]
    return alpha_sweep(sweeps) if sweeps else None


def overlap_chart(inputs: ReportInputs) -> Markup | None:
    """Draw the overlap with the baseline; None without a baseline or without other models."""
    if inputs.baseline is None:
        return None
    baseline = inputs.values(inputs.baseline)
    overlaps = [
        Overlap(result.model, inputs.role(result), shared_counts(inputs.values(result.model).rows, baseline.rows))
        for result in inputs.measured
        if result.model != inputs.baseline
    ]
    return overlap_histograms(overlaps, baseline.rows.shape[1]) if overlaps else None


def training_chart(inputs: ReportInputs) -> Markup | None:
    """Draw the training curves; None if no bundle has any."""
    quantities: dict[str, list[Line]] = {}
    for result in inputs.results:
        for name, curve in inputs.training.get(result.model, {}).items():
            line = Line(result.model, inputs.role(result), curve.steps, curve.values)
            quantities.setdefault(name, []).append(line)
    return training_curves(quantities) if quantities else None


def _labelled(inputs: ReportInputs, source: Source) -> list[Result]:
    return [result for result in inputs.measured if source in result.labels and result.labels[source].precision]


def _sweep(result: Result) -> AlphaSweep | None:
    metrics = result.origin.metrics if result.origin else {}
    recalls = {
        float(name.removeprefix(_ALPHA_METRIC)): recall
        for name, recall in metrics.items()
        if name.startswith(_ALPHA_METRIC)
    }
    chosen = metrics.get("alpha")
    return AlphaSweep(result.model, recalls, chosen) if chosen in recalls and chosen is not None else None
