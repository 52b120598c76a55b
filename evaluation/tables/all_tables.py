"""The tables of an evaluation: the main table, the paper's Tables 2, 3 and 4, other cut-offs, and paired differences.

All shares are in percent. `+-` is half the width of the 95% bootstrap interval over queries.
"""

from collections.abc import Mapping, Sequence

from evaluation.core.text_tables import Table
from evaluation.measures.comparison import Differences
from evaluation.results.records import DEPTH, SOURCES, Comparison, Result, Source, Spread
from evaluation.tables.cells import (
    NAMES,
    PLUS_MINUS,
    POINTS,
    TIES,
    by_kind,
    by_model,
    difference_text,
    percent,
    result_table,
)
from evaluation.tables.main_table import first_page_differences, main_table
from evaluation.test_set.relevance import LABELS

_LABEL_NAMES = tuple(NAMES[label] for label in LABELS)


def all_tables(results: Sequence[Result], comparisons: Sequence[Comparison], notes: Sequence[str] = ()) -> list[Table]:
    """Return all tables of the results and comparisons: the main one, then those of the paper in its order.

    Args:
        results: what was evaluated.
        comparisons: the results compared with the baseline.
        notes: further sentences for the main table.
    """
    sources = [source for source in SOURCES if any(source in result.labels for result in results)]
    tables = [main_table(results, notes)]
    tables += [table_2(results, source) for source in sources] or [table_2(results, None)]
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
        return [percent(result.recall), *(percent(found.get(label)) for label in LABELS)]

    title = f"Table 2: recall and relevance of the first {DEPTH} products"
    notes = [_counted(results, source), PLUS_MINUS, TIES, *_agreement(results, source)]
    return result_table(title, header, results, cells, [*notes, *_described(results)])


def cut_offs_table(results: Sequence[Result]) -> Table:
    """Return the table of recall at all cut-offs."""
    cut_offs = sorted({k for result in results for k in result.recall_at})

    def cells(result: Result) -> list[str]:
        return [percent(result.recall_at.get(k)) for k in cut_offs]

    header = ["model", *(f"@{k}" for k in cut_offs)]
    return result_table("Recall at other cut-offs", header, results, cells, [PLUS_MINUS])


def table_3(comparisons: Sequence[Comparison], kinds: Mapping[str, str]) -> Table:
    """Return Table 3: the number of products that each model shares with the baseline."""
    baseline = comparisons[0].baseline
    header = ["model", "mean", "standard deviation"]
    rows = {found.model: [f"{found.overlap.mean:.1f}", f"{found.overlap.deviation:.1f}"] for found in comparisons}
    title = f"Table 3: products shared with the first {DEPTH} of {baseline}"
    return Table(title, header, *by_kind(rows, kinds))


def table_4(comparisons: Sequence[Comparison], kinds: Mapping[str, str], source: Source | None) -> Table:
    """Return Table 4: the products that each model finds and the baseline does not."""
    baseline = comparisons[0].baseline
    header = ["model", "net predictions", "net recall", *(f"net {name}" for name in _LABEL_NAMES)]

    def cells(found: Comparison) -> list[str]:
        labels = found.net_labels.get(source) if source else None
        precision = labels.precision if labels else {}
        shares = [percent(precision.get(label)) for label in LABELS]
        return [_spread(found.net_count), percent(found.net_recall), *shares]

    notes = [
        f"Net predictions: products in the first {DEPTH} and not in those of {baseline} (mean, standard deviation). "
        "Net recall: purchases among them over all purchases of the query.",
        _net_counted(comparisons, source),
        PLUS_MINUS,
    ]
    title = f"Table 4: what {baseline} does not find"
    return Table(title, header, *by_kind({found.model: cells(found) for found in comparisons}, kinds), notes)


def differences_tables(found: Sequence[Comparison | Differences]) -> list[Table]:
    """Return the tables of paired differences, one for each source of labels."""
    sources = [source for source in SOURCES if any(source in item.labels for item in found)]
    tables = [_differences_table(found, source) for source in sources or (None,)]
    return [*([first_page_differences(found)] if any(item.first_page for item in found) else []), *tables]


def _differences_table(comparisons: Sequence[Comparison | Differences], source: Source | None) -> Table:
    def cells(found: Comparison | Differences) -> list[str]:
        labels = found.labels.get(source, {}) if source else {}
        return [difference_text(found.recall), *(difference_text(labels.get(label)) for label in LABELS)]

    rows = [[f"{found.model} - {found.baseline}", *cells(found)] for found in comparisons]
    title = "Differences, query by query" + (f" (labels: {source})" if source else "")
    return Table(title, ["difference", f"Recall@{DEPTH}", *_LABEL_NAMES], rows, notes=[POINTS])


def _counted(results: Sequence[Result], source: Source | None) -> str:
    """Return a note with the numbers of queries and products, the source of labels and the pairs left out."""
    queries = f"{results[0].queries:,} queries, {results[0].products:,} products"
    found = {result.model: result.labels[source] for result in results if source and source in result.labels}
    if not found:
        return f"{queries}; no relevance labels."
    first = next(iter(found.values()))
    counted = first.queries + first.queries_left_out
    pairs = by_model({model: labels.unlabelled_pairs for model, labels in found.items()})
    return f"{queries}; labels from {first.origin} for {counted:,} queries, pairs left out without a label: {pairs}."


def _net_counted(comparisons: Sequence[Comparison], source: Source | None) -> str:
    if not source:
        return "No relevance labels."
    found = {item.model: item.net_labels[source] for item in comparisons if source in item.net_labels}
    queries = by_model({model: labels.queries_left_out for model, labels in found.items()})
    pairs = by_model({model: labels.unlabelled_pairs for model, labels in found.items()})
    return (
        f"Labels: {source}; queries left out of net precision, as they have no labelled net prediction: {queries}; "
        f"pairs left out without a label: {pairs}."
    )


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


def _spread(spread: Spread) -> str:
    return f"({spread.mean:.0f}, {spread.deviation:.0f})"
