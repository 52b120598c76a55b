"""Results as tables for people: percentages with 95% confidence intervals."""

from collections.abc import Sequence

import numpy as np

from evaluation.errors import EvaluationError
from evaluation.relevance import LABELS
from evaluation.results import Interval, QueryValues, Result
from evaluation.statistics import Values, estimate

_NAMES = {"E": "Exact", "S": "Substitute", "C": "Complement", "I": "Irrelevant"}


def results_table(results: Sequence[Result]) -> str:
    """One row a model, as in the paper's Table 2."""
    first = results[0]
    header = ["model", f"Recall@{first.depth}", *(_NAMES[label] for label in LABELS)]
    rows = [
        [result.model, _percent(result.recall), *(_percent(result.precision.get(label)) for label in LABELS)]
        for result in results
    ]
    note = (
        f"{first.queries:,} queries; relevance from {first.relevance_source}"
        f" of {first.judged_queries:,} queries, {first.unlabelled_pairs:,} pairs without a label left out;"
        " percent, +- half of the 95% confidence interval"
    )
    return f"{_table([header, *rows])}\n{note}"


def difference_table(model: QueryValues, others: Sequence[QueryValues]) -> str:
    """How much better a model is than others on the same queries, with paired confidence intervals.

    Raises:
        EvaluationError: results are of different data sets, depths or queries.
    """
    header = ["difference", f"Recall@{model.result.depth}", *(_NAMES[label] for label in LABELS)]
    rows = [_difference_row(model, other) for other in others]
    note = "percentage points with 95% confidence intervals; * where zero lies outside"
    return f"{_table([header, *rows])}\n{note}"


def _difference_row(model: QueryValues, other: QueryValues) -> list[str]:
    mine, theirs = model.result, other.result
    same_data = mine.dataset_fingerprint == theirs.dataset_fingerprint and mine.depth == theirs.depth
    if not same_data or model.queries != other.queries:
        raise EvaluationError(
            f"{mine.model} and {theirs.model} were evaluated on different data and cannot be compared; "
            "run both on one data set"
        )
    cells = [_signed(model.recall - other.recall)]
    cells += [_signed(model.shares[:, code] - other.shares[:, code]) for code in range(len(LABELS))]
    return [f"{mine.model} - {theirs.model}", *cells]


def _signed(differences: Values) -> str:
    known = differences[~np.isnan(differences)]
    if not len(known):
        return "-"
    found = estimate(known)
    mark = "*" if found.low > 0 or found.high < 0 else ""
    return f"{100 * found.mean:+.2f} [{100 * found.low:+.2f}, {100 * found.high:+.2f}]{mark}"


def _percent(interval: Interval | None) -> str:
    if interval is None:
        return "-"
    return f"{100 * interval.mean:.1f} +-{50 * (interval.high - interval.low):.1f}"


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
