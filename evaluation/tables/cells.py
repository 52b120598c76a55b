"""The cells and rows of the tables, and sentences that several of them have."""

from collections.abc import Callable, Mapping, Sequence

from evaluation.core.text_tables import Table
from evaluation.results.records import Difference, Interval, Result

NAMES = {"E": "Exact", "S": "Substitute", "C": "Complement", "I": "Irrelevant"}
NOTHING = "-"
TIES = "Products with exactly equal scores are ordered by their position in the catalogue."
PLUS_MINUS = "Percent, +- half of the 95% confidence interval."
POINTS = "Percentage points with 95% confidence intervals; p of a paired randomisation test, two-sided."
_DEGENERATE = "degenerate"


def result_table(
    title: str,
    header: Sequence[str],
    results: Sequence[Result],
    cells: Callable[[Result], list[str]],
    notes: Sequence[str],
) -> Table:
    """Make a table with one row per result; a degenerate model has no numbers but a note with the reason."""
    empty = [_DEGENERATE, *(NOTHING for _ in header[2:])]
    rows = {result.model: empty if result.degenerate else cells(result) for result in results}
    kinds = {result.model: result.kind for result in results}
    reasons = [f"{found.model} is degenerate: {found.degenerate}." for found in results if found.degenerate]
    return Table(title, header, *by_kind(rows, kinds), [*reasons, *notes])


def by_kind(rows: Mapping[str, list[str]], kinds: Mapping[str, str]) -> tuple[list[list[str]], list[list[str]]]:
    """Return the rows of models and the context rows."""
    models = [[name, *cells] for name, cells in rows.items() if kinds[name] == "model"]
    return models, [[name, *cells] for name, cells in rows.items() if kinds[name] == "context"]


def by_model(counts: Mapping[str, int | str]) -> str:
    """Format counts as one number if all models have the same, otherwise as one number per model."""
    texts = {model: count if isinstance(count, str) else f"{count:,}" for model, count in counts.items()}
    if len(set(texts.values())) <= 1:
        return next(iter(texts.values()), "0")
    return ", ".join(f"{model} {text}" for model, text in texts.items())


def percent(interval: Interval | None) -> str:
    """Format a share in percent with half of its interval; None as nothing."""
    if interval is None:
        return NOTHING
    return f"{100 * interval.mean:.1f} +-{50 * (interval.high - interval.low):.1f}"


def difference_text(found: Difference | None) -> str:
    """Format a difference in percentage points with its interval and p-value; None as nothing."""
    if found is None:
        return NOTHING
    p_value = "p<0.001" if found.p_value < 0.001 else f"p={found.p_value:.3f}"
    return f"{100 * found.mean:+.2f} [{100 * found.low:+.2f}, {100 * found.high:+.2f}] {p_value}"
