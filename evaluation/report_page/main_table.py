"""Content of the main table on the page: what a shopper sees first, and recall at 1, 10 and 100."""

from dataclasses import dataclass

from evaluation.report_page.inputs import ReportInputs
from evaluation.report_page.tables import Cell, Row, cell, degenerate_row
from evaluation.report_page.words import LABEL_NAMES
from evaluation.results.records import (
    DEPTH,
    FIRST_PAGE,
    FIRST_PAGE_CUT_OFFS,
    SOURCES,
    Comparison,
    FirstPage,
    FirstPageDifferences,
    Result,
    Source,
    clip_captions,
)
from evaluation.test_set.relevance import GAINS

_CLIP_SENTENCE = (
    "CLIP saw purchases: among the captions that it was trained on are queries that bought the product, so its row is "
    "not that of a CLIP made elsewhere."
)


@dataclass(frozen=True)
class MainTable:
    """The main table.

    Attributes:
        heads: names of the columns after the model's.
        rows: rows of the models.
        context: rows of other systems.
        ndcg: a sentence on the queries and gains of nDCG.
        clip: a sentence on what CLIPs were trained on; empty if it is known of none.
    """

    heads: list[str]
    rows: list[Row]
    context: list[Row]
    ndcg: str
    clip: str


def main_table(inputs: ReportInputs) -> MainTable:
    """Return the main table; Exact@10 has one column for each source of labels."""
    pages = [result.first_page for result in inputs.measured if result.first_page]
    sources: list[Source] = [source for source in SOURCES if any(source in page.exact_at_10 for page in pages)]
    exact = [f"Exact@{FIRST_PAGE}" + (f", {source}" if len(sources) > 1 else "") for source in sources]
    recalls = [f"Recall@{k}" for k in (*FIRST_PAGE_CUT_OFFS, DEPTH)]
    rows = [(result.kind, _row(inputs, result, sources)) for result in inputs.results]
    return MainTable(
        heads=[f"nDCG@{FIRST_PAGE}", "MRR", *exact, *recalls],
        rows=[row for kind, row in rows if kind == "model"],
        context=[row for kind, row in rows if kind == "context"],
        ndcg=_ndcg_sentence(inputs),
        clip=_CLIP_SENTENCE if any(clip_captions(result) for result in inputs.results) else "",
    )


def _row(inputs: ReportInputs, result: Result, sources: list[Source]) -> Row:
    if result.degenerate:
        return degenerate_row(result)
    return Row(result.model, inputs.role(result), _cells(inputs, result, sources), _clip_note(result))


def _clip_note(result: Result) -> str:
    """Say what the CLIP of a model was trained on, where that is known."""
    return {"purchases": "CLIP saw purchases", "titles": "CLIP of titles alone", None: ""}[clip_captions(result)]


def _cells(inputs: ReportInputs, result: Result, sources: list[Source]) -> list[Cell]:
    """Return the cells of a result; those of an older result, without the first page, are dashes."""
    comparison = inputs.comparisons.get(result.model)
    return [
        *_first_page_cells(result.first_page, comparison.first_page if comparison else None, sources),
        *_recall_cells(result, comparison),
    ]


def _first_page_cells(
    page: FirstPage | None, differences: FirstPageDifferences | None, sources: list[Source]
) -> list[Cell]:
    """Return the cells of nDCG, MRR and, by source, Exact."""
    if page is None:
        return [cell(None) for _ in range(2 + len(sources))]
    return [
        cell(page.ndcg_at_10, differences.ndcg_at_10 if differences else None),
        cell(page.mrr, differences.mrr if differences else None),
        *(
            cell(page.exact_at_10.get(source), differences.exact_at_10.get(source) if differences else None)
            for source in sources
        ),
    ]


def _recall_cells(result: Result, comparison: Comparison | None) -> list[Cell]:
    """Return the cells of recall at 1, 10 and 100."""
    found = comparison.first_page.recall_at if comparison and comparison.first_page else {}
    first = [cell(result.recall_at.get(k), found.get(k)) for k in FIRST_PAGE_CUT_OFFS]
    return [*first, cell(result.recall, comparison.recall if comparison else None)]


def _ndcg_sentence(inputs: ReportInputs) -> str:
    """Say over how many queries nDCG is, with which gains, and how much of the first page has no judgment."""
    measured = [page for result in inputs.measured if (page := result.first_page) and page.ndcg_at_10]
    if not measured:
        return f"There is no nDCG@{FIRST_PAGE}: no query has a relevant product by judgments."
    gains = ", ".join(f"{LABEL_NAMES[label]} {gain:g}" for label, gain in GAINS.items())
    queries = max(page.ndcg_at_10.queries for page in measured if page.ndcg_at_10)
    unjudged = 100 * max(page.unjudged_at_10 or 0 for page in measured)
    missing = f"; up to {unjudged:.1f} % of a model's first {FIRST_PAGE} products have no judgment and gain 0"
    return f"nDCG@{FIRST_PAGE} is by judgments alone, over {queries:,} queries, with the gains {gains}" + (
        f"{missing}." if unjudged else "."
    )
