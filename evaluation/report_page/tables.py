"""Content of Tables 2, 3 and 4 on the page."""

from collections.abc import Mapping
from dataclasses import dataclass

from evaluation.report_page.figures.roles import Role
from evaluation.report_page.inputs import ReportInputs
from evaluation.report_page.words import ABSENT, LABEL_NAMES, percent, percent_span, signed, span
from evaluation.results.records import Comparison, Difference, Interval, Result, Source
from evaluation.tables.paper import PAPER_BASELINE, PAPER_TABLE_2, PAPER_TABLE_4

SIGNIFICANCE = 0.05  # level of the paired randomisation test


@dataclass(frozen=True)
class Cell:
    """A number of a table, with its interval and its difference to the baseline in small print below it."""

    value: str
    interval: str = ""
    difference: str = ""  # to the baseline
    difference_interval: str = ""
    marked: bool = False  # the difference is significant


@dataclass(frozen=True)
class Row:
    """The row of a model; `fault` is shown instead of the numbers if the model is degenerate."""

    name: str
    role: Role
    cells: list[Cell]
    note: str = ""
    fault: str = ""


@dataclass(frozen=True)
class LabelTable:
    """A table whose label shares have one source."""

    source: Source | None
    origin: str  # where the labels come from, in words
    rows: list[Row]
    context: list[Row]


def recall_and_labels(inputs: ReportInputs) -> list[LabelTable]:
    """Return Table 2, once for each source of labels; without labels, one table of recall."""
    return [_table_2(inputs, source) for source in inputs.sources] or [_table_2(inputs, None)]


def overlaps(inputs: ReportInputs) -> list[Row]:
    """Return the rows of Table 3: number of products shared with the baseline's list."""
    return [
        Row(result.model, inputs.role(result), [_mean(found.overlap.mean), _mean(found.overlap.deviation)])
        for result, found in _compared(inputs)
    ]


def net_predictions(inputs: ReportInputs) -> list[LabelTable]:
    """Return Table 4, the products that the baseline did not retrieve, once for each source of labels."""
    return [_table_4(inputs, source) for source in inputs.sources] or [_table_4(inputs, None)]


def paper_table_2() -> list[Row]:
    """Return the rows of Table 2 as the paper reports them, with differences to its baseline."""
    base = PAPER_TABLE_2[PAPER_BASELINE]
    rows = []
    for name, row in PAPER_TABLE_2.items():
        pairs = zip((row.recall, *row.labels), (base.recall, *base.labels), strict=True)
        is_base = name == PAPER_BASELINE
        cells = [Cell(f"{mine:.1f}", difference="" if is_base else signed((mine - its) / 100)) for mine, its in pairs]
        rows.append(Row(name, Role.BASELINE if is_base else Role.OTHER, cells))
    return rows


def paper_table_4() -> list[Row]:
    """Return the rows of Table 4 as the paper reports them."""
    return [
        Row(
            name,
            Role.OTHER,
            [
                Cell(str(row.count)),
                Cell(str(row.deviation)),
                *(Cell(f"{share:.1f}") for share in (row.recall, *row.labels)),
            ],
        )
        for name, row in PAPER_TABLE_4.items()
    ]


def _table_2(inputs: ReportInputs, source: Source | None) -> LabelTable:
    rows = {result.model: _row_2(inputs, result, source) for result in inputs.results}
    return _label_table(inputs, source, rows)


def _table_4(inputs: ReportInputs, source: Source | None) -> LabelTable:
    rows = {
        result.model: Row(result.model, inputs.role(result), _net_cells(comparison, source))
        for result, comparison in _compared(inputs)
    }
    return _label_table(inputs, source, rows)


def _label_table(inputs: ReportInputs, source: Source | None, rows: Mapping[str, Row]) -> LabelTable:
    shown = [result for result in inputs.results if result.model in rows]
    origins = [result.labels[source].origin for result in shown if source in result.labels] if source else []
    return LabelTable(
        source=source,
        origin=origins[0] if origins else "",
        rows=[rows[result.model] for result in shown if result.kind == "model"],
        context=[rows[result.model] for result in shown if result.kind == "context"],
    )


def _row_2(inputs: ReportInputs, result: Result, source: Source | None) -> Row:
    if result.degenerate or result.recall is None:
        return degenerate_row(result)
    comparison = inputs.comparisons.get(result.model)
    cells = [cell(result.recall, comparison.recall if comparison else None)]
    if source:
        found = result.labels[source].precision if source in result.labels else {}
        differences = comparison.labels.get(source, {}) if comparison else {}
        cells += [cell(found.get(label), differences.get(label)) for label in LABEL_NAMES]
    return Row(result.model, inputs.role(result), cells, result.description)


def degenerate_row(result: Result) -> Row:
    """Return the row of a model without numbers."""
    return Row(result.model, Role.DEGENERATE, [], result.description, fault=result.degenerate or "not measured")


def _net_cells(comparison: Comparison, source: Source | None) -> list[Cell]:
    count = comparison.net_count
    cells = [_mean(count.mean), _mean(count.deviation), cell(comparison.net_recall)]
    if source:
        labels = comparison.net_labels.get(source)
        cells += [cell(labels.precision.get(label) if labels else None) for label in LABEL_NAMES]
    return cells


def _compared(inputs: ReportInputs) -> list[tuple[Result, Comparison]]:
    """Return the results that have a comparison, except the baseline's own."""
    return [
        (result, inputs.comparisons[result.model])
        for result in inputs.results
        if result.model in inputs.comparisons and result.model != inputs.baseline
    ]


def _mean(value: float) -> Cell:
    return Cell(f"{value:.1f}")


def cell(interval: Interval | None, difference: Difference | None = None) -> Cell:
    """Return the cell of a share, with its difference to the baseline's; a missing share is a dash."""
    if interval is None:
        return Cell(ABSENT)
    measured = Cell(percent(interval.mean), percent_span(interval))
    if difference is None:
        return measured
    return Cell(
        measured.value,
        measured.interval,
        signed(difference.mean),
        span(signed(difference.low), signed(difference.high)),
        marked=difference.p_value < SIGNIFICANCE,
    )
