"""Rendering of the whole page from its input and the templates."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from artifacts.atomic import replace_file
from artifacts.html_page import render_page
from evaluation.report_page import charts
from evaluation.report_page.choice import QUERIES_PER_REASON, Reason
from evaluation.report_page.head import head
from evaluation.report_page.inputs import ReportInputs, read_inputs
from evaluation.report_page.main_table import main_table
from evaluation.report_page.panels import PRODUCTS_SHOWN, panels
from evaluation.report_page.tables import (
    SIGNIFICANCE,
    net_predictions,
    overlaps,
    paper_table_2,
    paper_table_4,
    recall_and_labels,
)
from evaluation.report_page.words import LABEL_NAMES


def write_report_page(
    results: Path,
    data: Path,
    out: Path,
    *,
    runs: Path | None = None,
    model: str | None = None,
    baseline: str,
    notes: Sequence[str] = (),
) -> None:
    """Write the page to `out`, with `notes` below its main table.

    `read_inputs` describes the other arguments and the errors raised. The page is one file that loads nothing else. The
    same input gives the same bytes.
    """
    inputs = read_inputs(results, data, runs=runs, model=model, baseline=baseline)
    out.parent.mkdir(parents=True, exist_ok=True)
    replace_file(out, render(inputs, runs_given=runs is not None, notes=notes).encode())


def render(inputs: ReportInputs, *, runs_given: bool, notes: Sequence[str] = ()) -> str:
    """Return the page as HTML; the template escapes all texts, such as titles and queries.

    Args:
        inputs: the data to show.
        runs_given: whether a folder of bundles with training curves was given.
        notes: sentences below the main table.
    """
    return render_page("evaluation.report_page", "page.html", notes=notes, **_content(inputs, runs_given))


def _content(inputs: ReportInputs, runs_given: bool) -> dict[str, Any]:
    return {
        "inputs": inputs,
        "runs_given": runs_given,
        "significance": SIGNIFICANCE,
        "depth": inputs.results[0].depth,
        "label_names": LABEL_NAMES,
        "head": head(inputs),
        "main": main_table(inputs),
        "table_2": recall_and_labels(inputs),
        "table_3": overlaps(inputs),
        "table_4": net_predictions(inputs),
        "paper_2": paper_table_2(),
        "paper_4": paper_table_4(),
        "charts": {
            "recall": charts.recall_chart(inputs),
            "labels": charts.label_chart(inputs),
            "scatter": charts.scatter_chart(inputs),
            "alpha": charts.alpha_chart(inputs),
            "overlap": charts.overlap_chart(inputs),
            "training": charts.training_chart(inputs),
        },
        "panels": panels(inputs),
        "reasons": list(Reason),
        "queries_per_reason": QUERIES_PER_REASON,
        "products_shown": PRODUCTS_SHOWN,
    }
