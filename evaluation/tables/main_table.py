"""The main table: what a shopper sees first, recall at 1, 10 and 100, and their paired differences."""

from collections.abc import Mapping, Sequence

from evaluation.core.text_tables import Table
from evaluation.measures.comparison import Differences
from evaluation.results.records import (
    DEPTH,
    FIRST_PAGE,
    FIRST_PAGE_CUT_OFFS,
    SOURCES,
    Comparison,
    FirstPageDifferences,
    Measured,
    Result,
    Source,
    clip_captions,
)
from evaluation.tables.cells import (
    NAMES,
    NOTHING,
    PLUS_MINUS,
    POINTS,
    TIES,
    by_model,
    difference_text,
    percent,
    result_table,
)
from evaluation.test_set.relevance import GAINS


def main_table(results: Sequence[Result], further_notes: Sequence[str] = ()) -> Table:
    """Return the main table: what a shopper sees first, and recall at 1, 10 and 100; a column of Exact by source."""
    sources: list[Source] = [source for source in SOURCES if any(source in _exact_at_10(it) for it in results)]
    cut_offs = (*FIRST_PAGE_CUT_OFFS, DEPTH)
    exact = _exact_heads(sources) or [f"Exact@{FIRST_PAGE}"]

    def cells(result: Result) -> list[str]:
        page = result.first_page
        shares = [percent(_exact_at_10(result).get(source)) for source in sources] or [NOTHING]
        recalls = [percent(result.recall_at.get(k)) for k in cut_offs]
        return [percent(page.ndcg_at_10 if page else None), percent(page.mrr if page else None), *shares, *recalls]

    header = ["model", f"nDCG@{FIRST_PAGE}", "MRR", *exact, *(f"Recall@{k}" for k in cut_offs)]
    title = f"The first page and the first {DEPTH}: relevance and purchases"
    notes = [
        *further_notes,
        *_rewriting_notes(results),
        *_first_page_notes(results),
        *_clip_notes(results),
        PLUS_MINUS,
        TIES,
    ]
    return result_table(title, header, results, cells, notes)


def first_page_differences(comparisons: Sequence[Comparison | Differences]) -> Table:
    """Return the paired differences of the main table, without Recall@100, which the next table has."""
    pages = {f"{item.model} - {item.baseline}": item.first_page for item in comparisons if item.first_page}
    sources: list[Source] = [it for it in SOURCES if any(it in page.exact_at_10 for page in pages.values())]
    header = ["difference", f"nDCG@{FIRST_PAGE}", "MRR", *_exact_heads(sources)]
    header += [f"Recall@{k}" for k in FIRST_PAGE_CUT_OFFS]

    def cells(page: FirstPageDifferences) -> list[str]:
        shares = [page.exact_at_10.get(source) for source in sources]
        recalls = [page.recall_at.get(k) for k in FIRST_PAGE_CUT_OFFS]
        return [difference_text(found) for found in (page.ndcg_at_10, page.mrr, *shares, *recalls)]

    rows = [[name, *cells(page)] for name, page in pages.items()]
    return Table("Differences on the first page, query by query", header, rows, notes=[POINTS])


def _exact_at_10(result: Result) -> Mapping[Source, Measured]:
    return result.first_page.exact_at_10 if result.first_page else {}


def _exact_heads(sources: Sequence[Source]) -> list[str]:
    """Return the heads of the columns of Exact: the source is named where there are two."""
    head = f"Exact@{FIRST_PAGE}"
    return [head] if len(sources) == 1 else [f"{head}, {source}" for source in sources]


def _rewriting_notes(results: Sequence[Result]) -> list[str]:
    """Say by which rule the queries were rewritten, and how many it changed."""
    changed = {(it.rewriting, it.rewritten_queries, it.queries) for it in results if it.rewriting}
    return [
        f"Queries rewritten by the rule {rule}: {count:,} of {of:,} changed." for rule, count, of in sorted(changed)
    ]


def _first_page_notes(results: Sequence[Result]) -> list[str]:
    """Say what the measures of the first page are, and over how many queries."""
    notes = [
        f"MRR: 1 / the rank of the first product bought, 0 beyond {DEPTH}. Recall@k: share of what was bought among "
        f"the first k. Exact@{FIRST_PAGE}: share of Exact among the labelled products of the first {FIRST_PAGE}."
    ]
    pages = {result.model: result.first_page for result in results if result.first_page}
    counts = {model: page.ndcg_at_10.queries for model, page in pages.items() if page.ndcg_at_10}
    if not counts:
        return [*notes, f"No nDCG@{FIRST_PAGE}: no query has a relevant product by judgments."]
    unjudged = {model: f"{100 * (page.unjudged_at_10 or 0):.1f}%" for model, page in pages.items()}
    return [
        *notes,
        f"nDCG@{FIRST_PAGE}: by judgments alone, over {by_model(counts)} queries that have a relevant product; gains "
        f"{', '.join(f'{NAMES[label]} {gain:g}' for label, gain in GAINS.items())}; products without a judgment "
        f"({by_model(unjudged)} of the first {FIRST_PAGE}) have the gain 0.",
    ]


def _clip_notes(results: Sequence[Result]) -> list[str]:
    """Name the rows whose CLIP was trained on purchases, and those whose CLIP was trained on titles alone."""
    rows = {kind: [it.model for it in results if clip_captions(it) == kind] for kind in ("purchases", "titles")}
    words = {"purchases": "titles and on queries that bought the product", "titles": "titles alone"}
    return [f"CLIP trained on {words[kind]}: {', '.join(names)}." for kind, names in rows.items() if names]
