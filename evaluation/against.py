"""How models stand to baselines on the first page and in recall: one table, and sentences on those that are behind."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from evaluation.core.text_tables import Table
from evaluation.measures.comparison import Differences, differences
from evaluation.results.records import DEPTH, FIRST_PAGE, SOURCES, Difference, Interval, Result, Source
from evaluation.results.saved import SavedResult
from evaluation.tables.cells import NOTHING, percent

_Found = TypeVar("_Found", Interval, Difference)

_MEASURES = (f"Recall@{DEPTH}", f"nDCG@{FIRST_PAGE}", f"Exact@{FIRST_PAGE}")


@dataclass(frozen=True)
class _Row:
    """A model's measures, and its differences to each baseline, by measure."""

    model: str
    values: Mapping[str, Interval | None]
    gains: Mapping[str, Mapping[str, Difference | None]]  # by baseline, then by measure


def against_table(models: Sequence[SavedResult], baselines: Sequence[SavedResult]) -> Table:
    """Return the measures of models with their paired differences to baselines, whose own rows follow.

    A note for each baseline names the models that are significantly behind it: by 95% intervals over queries.

    Raises:
        EvaluationError: two results are of different data or labels, or one is degenerate.
    """
    names = [baseline.result.model for baseline in baselines]
    rows = [_row(model, baselines) for model in models]
    header = ["model"]
    for measure in _MEASURES:
        header += [measure, *(f"{measure} - {name}" for name in names)]
    context = [_row(baseline, ()) for baseline in baselines]
    return Table(
        f"Models beside {' and '.join(names)}",
        header,
        [_cells(row, names) for row in rows],
        [_cells(row, names) for row in context],
        [
            *(_behind(rows, name) for name in names),
            "Percent, +- half of the 95% confidence interval; differences query by query in points, with theirs.",
        ],
    )


def _row(model: SavedResult, baselines: Sequence[SavedResult]) -> _Row:
    gains = {baseline.result.model: _gains(differences(model, baseline)) for baseline in baselines}
    return _Row(model.result.model, _values(model.result), gains)


def _values(result: Result) -> dict[str, Interval | None]:
    page = result.first_page
    exact = _first_source(page.exact_at_10) if page else None
    return dict(zip(_MEASURES, (result.recall, page.ndcg_at_10 if page else None, exact), strict=True))


def _gains(found: Differences) -> dict[str, Difference | None]:
    page = found.first_page
    exact = _first_source(page.exact_at_10) if page else None
    return dict(zip(_MEASURES, (found.recall, page.ndcg_at_10 if page else None, exact), strict=True))


def _first_source(by_source: Mapping[Source, _Found]) -> _Found | None:
    """Return what is known by the labels that are trusted most."""
    return next((by_source[source] for source in SOURCES if source in by_source), None)


def _cells(row: _Row, baselines: Sequence[str]) -> list[str]:
    cells = [row.model]
    for measure in _MEASURES:
        gains = [row.gains[name][measure] if name in row.gains else None for name in baselines]
        cells += [percent(row.values[measure]), *(_points(gain) for gain in gains)]
    return cells


def _points(gain: Difference | None) -> str:
    if gain is None:
        return NOTHING
    return f"{100 * gain.mean:+.1f} [{100 * gain.low:+.1f}, {100 * gain.high:+.1f}]"


def _behind(rows: Sequence[_Row], baseline: str) -> str:
    """Return a sentence that names the models that are behind a baseline, and in what."""
    lost = {
        row.model: [measure for measure, gain in row.gains[baseline].items() if gain and gain.high < 0] for row in rows
    }
    named = [f"{model} in {' and '.join(measures)}" for model, measures in lost.items() if measures]
    if not named:
        return f"No model is significantly behind {baseline}."
    return f"Significantly behind {baseline}: {', '.join(named)}."
