"""The tables of an evaluation: the paper's Tables 2, 3 and 4, other cut-offs, and paired differences.

All shares are in percent. `+-` is half the width of the 95% bootstrap interval over queries.
"""

from collections.abc import Callable, Mapping, Sequence

from evaluation.core.text_tables import Table
from evaluation.measures.comparison import Differences
from evaluation.results.records import DEPTH, SOURCES, Comparison, Difference, Interval, Result, Source, Spread
from evaluation.test_set.relevance import LABELS

_NAMES = {"E": "Exact", "S": "Substitute", "C": "Complement", "I": "Irrelevant"}
_LABEL_NAMES = tuple(_NAMES[label] for label in LABELS)
_NOTHING = "-"
_DEGENERATE = "degenerate"
_TIES = "Products with exactly equal scores are ordered by their position in the catalogue."
_PLUS_MINUS = "Percent, +- half of the 95% confidence interval."


def all_tables(results: Sequence[Result], comparisons: Sequence[Comparison]) -> list[Table]:
    """Return all tables of the results and comparisons, in the order of the paper."""
    sources = [source for source in SOURCES if any(source in result.labels for result in results)]
    tables = [table_2(results, source) for source in sources] or [table_2(results, None)]
    tables.append(cut_offs_table(results))
    if comparisons:
        kinds = {result.model: result.kind for result in results}
        tables.append(table_3(comparisons, kinds))
        tables += [table_4(comparisons, kinds, source) for source in sources] or [table_4(comparisons, kinds, None)]
        tables += differences_tables(comparisons)
    return tables


def table_2(results: Sequence[Result], source: Source | None) -> Table:
    """Return Table 2: Recall@100 and the share of each label, by one source of labels."""
    header = ["model", f"Recall@{DEPTH}", *_LABEL_NAMES]

    def cells(result: Result) -> list[str]:
        labels = result.labels.get(source) if source else None
        found = labels.precision if labels else {}
        return [_percent(result.recall), *(_percent(found.get(label)) for label in LABELS)]

    title = f"Table 2: recall and relevance of the first {DEPTH} products"
    notes = [_counted(results, source), _PLUS_MINUS, _TIES, *_agreement(results, source)]
    return _table(title, header, results, cells, [*notes, *_described(results)])


def cut_offs_table(results: Sequence[Result]) -> Table:
    """Return the table of recall at all cut-offs."""
    cut_offs = sorted({k for result in results for k in result.recall_at})

    def cells(result: Result) -> list[str]:
        return [_percent(result.recall_at.get(k)) for k in cut_offs]

    header = ["model", *(f"@{k}" for k in cut_offs)]
    return _table("Recall at other cut-offs", header, results, cells, [_PLUS_MINUS])


def table_3(comparisons: Sequence[Comparison], kinds: Mapping[str, str]) -> Table:
    """Return Table 3: the number of products that each model shares with the baseline."""
    baseline = comparisons[0].baseline
    header = ["model", "mean", "standard deviation"]
    rows = {found.model: [f"{found.overlap.mean:.1f}", f"{found.overlap.deviation:.1f}"] for found in comparisons}
    title = f"Table 3: products shared with the first {DEPTH} of {baseline}"
    return Table(title, header, *_by_kind(rows, kinds))


def table_4(comparisons: Sequence[Comparison], kinds: Mapping[str, str], source: Source | None) -> Table:
    """Return Table 4: the products that each model finds and the baseline does not."""
    baseline = comparisons[0].baseline
    header = ["model", "net predictions", "net recall", *(f"net {name}" for name in _LABEL_NAMES)]

    def cells(found: Comparison) -> list[str]:
        labels = found.net_labels.get(source) if source else None
        precision = labels.precision if labels else {}
        shares = [_percent(precision.get(label)) for label in LABELS]
        return [_spread(found.net_count), _percent(found.net_recall), *shares]

    notes = [
        f"Net predictions: products in the first {DEPTH} and not in those of {baseline} (mean, standard deviation). "
        "Net recall: purchases among them over all purchases of the query.",
        _net_counted(comparisons, source),
        _PLUS_MINUS,
    ]
    title = f"Table 4: what {baseline} does not find"
    return Table(title, header, *_by_kind({found.model: cells(found) for found in comparisons}, kinds), notes)


def differences_tables(found: Sequence[Comparison | Differences]) -> list[Table]:
    """Return the tables of paired differences, one for each source of labels."""
    sources = [source for source in SOURCES if any(source in item.labels for item in found)]
    return [_differences_table(found, source) for source in sources or (None,)]


def _differences_table(comparisons: Sequence[Comparison | Differences], source: Source | None) -> Table:
    def cells(found: Comparison | Differences) -> list[str]:
        labels = found.labels.get(source, {}) if source else {}
        return [_difference(found.recall), *(_difference(labels.get(label)) for label in LABELS)]

    rows = [[f"{found.model} - {found.baseline}", *cells(found)] for found in comparisons]
    notes = ["Percentage points with 95% confidence intervals; p of a paired randomisation test, two-sided."]
    title = "Differences, query by query" + (f" (labels: {source})" if source else "")
    return Table(title, ["difference", f"Recall@{DEPTH}", *_LABEL_NAMES], rows, notes=notes)


def _table(
    title: str,
    header: Sequence[str],
    results: Sequence[Result],
    cells: Callable[[Result], list[str]],
    notes: Sequence[str],
) -> Table:
    """Make a table with one row per result; a degenerate model has no numbers but a note with the reason."""
    empty = [_DEGENERATE, *(_NOTHING for _ in header[2:])]
    rows = {result.model: empty if result.degenerate else cells(result) for result in results}
    kinds = {result.model: result.kind for result in results}
    reasons = [f"{found.model} is degenerate: {found.degenerate}." for found in results if found.degenerate]
    return Table(title, header, *_by_kind(rows, kinds), [*reasons, *notes])


def _by_kind(rows: Mapping[str, list[str]], kinds: Mapping[str, str]) -> tuple[list[list[str]], list[list[str]]]:
    """Return the rows of models and the context rows."""
    models = [[name, *cells] for name, cells in rows.items() if kinds[name] == "model"]
    return models, [[name, *cells] for name, cells in rows.items() if kinds[name] == "context"]


def _counted(results: Sequence[Result], source: Source | None) -> str:
    """Return a note with the numbers of queries and products, the source of labels and the pairs left out."""
    queries = f"{results[0].queries:,} queries, {results[0].products:,} products"
    found = {result.model: result.labels[source] for result in results if source and source in result.labels}
    if not found:
        return f"{queries}; no relevance labels."
    first = next(iter(found.values()))
    counted = first.queries + first.queries_left_out
    pairs = _by_model({model: labels.unlabelled_pairs for model, labels in found.items()})
    return f"{queries}; labels from {first.origin} for {counted:,} queries, pairs left out without a label: {pairs}."


def _net_counted(comparisons: Sequence[Comparison], source: Source | None) -> str:
    if not source:
        return "No relevance labels."
    found = {item.model: item.net_labels[source] for item in comparisons if source in item.net_labels}
    queries = _by_model({model: labels.queries_left_out for model, labels in found.items()})
    pairs = _by_model({model: labels.unlabelled_pairs for model, labels in found.items()})
    return (
        f"Labels: {source}; queries left out of net precision, as they have no labelled net prediction: {queries}; "
        f"pairs left out without a label: {pairs}."
    )


def _by_model(counts: dict[str, int]) -> str:
    """Format counts as one number if all models have the same, otherwise as one number per model."""
    if len(set(counts.values())) <= 1:
        return f"{next(iter(counts.values()), 0):,}"
    return ", ".join(f"{model} {count:,}" for model, count in counts.items())


def _agreement(results: Sequence[Result], source: Source | None) -> list[str]:
    if source != "annotated":
        return []
    found = {result.model: result.agreement for result in results if result.agreement and result.agreement.pairs}
    right = [f"{name} {100 * it.accuracy:.1f}%" for name, it in found.items() if it.accuracy is not None]
    labelled = [f"{name} {100 * (1 - it.abstained / it.pairs):.1f}%" for name, it in found.items()]
    if not right:
        return []
    return [
        f"Share of the judged pairs labelled by the annotator where both labels agree: {', '.join(right)}. "
        f"Share of the judged pairs that the annotator labels: {', '.join(labelled)}."
    ]


def _described(results: Sequence[Result]) -> list[str]:
    return [f"{result.model}: {result.description}." for result in results if result.kind == "context"]


def _percent(interval: Interval | None) -> str:
    if interval is None:
        return _NOTHING
    return f"{100 * interval.mean:.1f} +-{50 * (interval.high - interval.low):.1f}"


def _spread(spread: Spread) -> str:
    return f"({spread.mean:.0f}, {spread.deviation:.0f})"


def _difference(found: Difference | None) -> str:
    if found is None:
        return _NOTHING
    p_value = "p<0.001" if found.p_value < 0.001 else f"p={found.p_value:.3f}"
    return f"{100 * found.mean:+.2f} [{100 * found.low:+.2f}, {100 * found.high:+.2f}] {p_value}"
