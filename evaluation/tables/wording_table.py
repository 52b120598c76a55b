"""The table of a model on rewritten queries."""

from collections.abc import Mapping

from evaluation.core.text_tables import Table
from evaluation.measures.robustness import recall_kept
from evaluation.measures.statistics import Estimate
from evaluation.results.records import DEPTH, SOURCES, Interval, Result
from evaluation.results.saved import SavedResult
from evaluation.tables.cells import NOTHING, PLUS_MINUS, percent

AS_TYPED = "as typed"


def wording_table(typed: SavedResult, rewritten: Mapping[str, SavedResult]) -> Table:
    """Return recall and Exact of a model for the queries as they were typed and for each rewritten form of them.

    Args:
        typed: the result for the queries as they were typed.
        rewritten: the results for the rewritten queries, by the name of the rule.
    """
    header = ["queries", "changed", f"Recall@{DEPTH}", "share kept", "kept of changed ones", "Exact"]
    title = f"{typed.result.model}: queries in other words"
    reasons = [
        f"{name}: degenerate, {it.result.degenerate}."
        for name, it in {AS_TYPED: typed, **rewritten}.items()
        if it.result.degenerate
    ]
    if typed.result.degenerate:
        return Table(title, header, [], notes=reasons)
    rows = [[AS_TYPED, NOTHING, percent(typed.result.recall), NOTHING, NOTHING, percent(_exact(typed.result))]]
    rows += [_row(name, typed, found) for name, found in rewritten.items()]
    result = typed.result
    notes = [
        f"{result.queries:,} queries, {result.products:,} products. {PLUS_MINUS}",
        f"Share kept: mean Recall@{DEPTH} of the rewritten queries over that of the same queries as typed, in percent "
        "with its 95% confidence interval. Queries that a rule does not change count as they are; the next column is "
        "over the changed ones alone.",
        f"Exact: share of Exact among the labelled products of the first {DEPTH}, by the judgments of the query as "
        "typed.",
    ]
    return Table(title, header, rows, notes=[*reasons, *notes])


def _row(name: str, typed: SavedResult, rewritten: SavedResult) -> list[str]:
    result = rewritten.result
    if result.degenerate:
        return [name, f"{result.rewritten_queries:,}", *[NOTHING] * 4]
    kept = recall_kept(typed, rewritten)
    shares = [_share(kept.of_all), _share(kept.of_changed)]
    return [name, f"{result.rewritten_queries:,}", percent(result.recall), *shares, percent(_exact(result))]


def _share(found: Estimate | None) -> str:
    if found is None:
        return NOTHING
    return f"{100 * found.mean:.1f} [{100 * found.low:.1f}, {100 * found.high:.1f}]"


def _exact(result: Result) -> Interval | None:
    """Return the share of Exact by the first source of labels that the result has."""
    source = next((source for source in SOURCES if source in result.labels), None)
    return result.labels[source].precision.get("E") if source else None
