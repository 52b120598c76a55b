"""Tables 2, 3 and 4 as the page shows them."""

from collections.abc import Mapping
from dataclasses import dataclass

from evaluation.report_page.figures.roles import Role
from evaluation.report_page.inputs import ReportInputs
from evaluation.report_page.words import ABSENT, LABEL_NAMES, percent, percent_span, signed, span
from evaluation.results.records import Comparison, Difference, Interval, Result, Source
from evaluation.tables.paper import PAPER_BASELINE, PAPER_TABLE_2, PAPER_TABLE_4

SIGNIFICANCE = 0.05  # of the paired randomisation test


@dataclass(frozen=True)
class Cell:
    """A number of a table, with what stands small beneath it."""

    value: str
    interval: str = ""
    difference: str = ""  # to the baseline
    difference_interval: str = ""
    marked: bool = False  # the difference is significant


@dataclass(frozen=True)
class Row:
    """A model's row; `fault` stands in the place of all numbers where the model is degenerate."""

    name: str
    role: Role
    cells: list[Cell]
    note: str = ""
    fault: str = ""


@dataclass(frozen=True)
class LabelTable:
    """A table whose label columns come from one source."""

    source: Source | None
    origin: str  # in words
    rows: list[Row]
    context: list[Row]


def recall_and_labels(inputs: ReportInputs) -> list[LabelTable]:
    """Table 2: one table a source of labels (one without labels where there is none)."""
    return [_table_2(inputs, source) for source in inputs.sources] or [_table_2(inputs, None)]


def overlaps(inputs: ReportInputs) -> list[Row]:
    """Table 3: products shared with the baseline's list."""
    return [
        Row(result.model, inputs.role(result), [_mean(found.overlap.mean), _mean(found.overlap.deviation)])
        for result, found in _compared(inputs)
    ]


def net_predictions(inputs: ReportInputs) -> list[LabelTable]:
    """Table 4: the products that the baseline did not retrieve, one table a source of labels."""
    return [_table_4(inputs, source) for source in inputs.sources] or [_table_4(inputs, None)]


def paper_table_2() -> list[Row]:
    """The paper's Table 2, with differences to its own baseline."""
    base = PAPER_TABLE_2[PAPER_BASELINE]
    rows = []
    for name, row in PAPER_TABLE_2.items():
        pairs = zip((row.recall, *row.labels), (base.recall, *base.labels), strict=True)
        is_base = name == PAPER_BASELINE
        cells = [Cell(f"{mine:.1f}", difference="" if is_base else signed((mine - its) / 100)) for mine, its in pairs]
        rows.append(Row(name, Role.BASELINE if is_base else Role.OTHER, cells))
    return rows


def paper_table_4() -> list[Row]:
    """The paper's Table 4."""
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
        return Row(result.model, Role.DEGENERATE, [], result.description, fault=result.degenerate or "not measured")
    comparison = inputs.comparisons.get(result.model)
    cells = [_cell(result.recall, comparison.recall if comparison else None)]
    if source:
        found = result.labels[source].precision if source in result.labels else {}
        differences = comparison.labels.get(source, {}) if comparison else {}
        cells += [_cell(found.get(label), differences.get(label)) for label in LABEL_NAMES]
    return Row(result.model, inputs.role(result), cells, result.description)


def _net_cells(comparison: Comparison, source: Source | None) -> list[Cell]:
    count = comparison.net_count
    cells = [_mean(count.mean), _mean(count.deviation), _cell(comparison.net_recall)]
    if source:
        labels = comparison.net_labels.get(source)
        cells += [_cell(labels.precision.get(label) if labels else None) for label in LABEL_NAMES]
    return cells


def _compared(inputs: ReportInputs) -> list[tuple[Result, Comparison]]:
    """Results with their comparison, the baseline's own left out."""
    return [
        (result, inputs.comparisons[result.model])
        for result in inputs.results
        if result.model in inputs.comparisons and result.model != inputs.baseline
    ]


def _mean(value: float) -> Cell:
    return Cell(f"{value:.1f}")


def _cell(interval: Interval | None, difference: Difference | None = None) -> Cell:
    if interval is None:
        return Cell(ABSENT)
    cell = Cell(percent(interval.mean), percent_span(interval))
    if difference is None:
        return cell
    return Cell(
        cell.value,
        cell.interval,
        signed(difference.mean),
        span(signed(difference.low), signed(difference.high)),
        marked=difference.p_value < SIGNIFICANCE,
    )
