"""Models beside baselines: which measures are shown, and who is named as behind."""

import numpy as np

from evaluation.against import against_table
from evaluation.core.text_tables import as_markdown
from evaluation.results.records import FirstPage, Interval, LabelShares, Measured, Result
from evaluation.results.saved import FirstPageValues, QueryValues, SavedResult
from evaluation.test_set.relevance import LABELS

QUERIES = 40


def saved(name: str, recall: float, ndcg: float, exact: float) -> SavedResult:
    """A result whose queries all have these values, but for a little that differs between queries."""
    noise = np.linspace(-0.01, 0.01, QUERIES)
    means = {key: Interval(mean=it, low=it, high=it) for key, it in {"recall": recall, "ndcg": ndcg}.items()}
    measured = Measured(mean=exact, low=exact, high=exact, queries=QUERIES)
    labels = LabelShares(
        origin="judgments", queries=QUERIES, queries_left_out=0, pairs=1, unlabelled_pairs=0, precision={}
    )
    page = FirstPage(
        mrr=measured, ndcg_at_10=measured.model_copy(update={"mean": ndcg}), unjudged_at_10=0.0,
        exact_at_10={"judged": measured},
    )  # fmt: skip
    result = Result(
        model=name, kind="model", description="", model_fingerprint=name, dataset_fingerprint="d",
        annotator_fingerprint=None, origin=None, products=9, queries=QUERIES, degenerate=None, recall=means["recall"],
        recall_at={100: means["recall"]}, labels={"judged": labels}, agreement=None, first_page=page, files={},
    )  # fmt: skip
    lists = np.zeros((QUERIES, 1))
    values = QueryValues(
        queries=[str(number) for number in range(QUERIES)], bought=np.ones(QUERIES, np.int64),
        recall_at={100: recall + noise}, source=np.zeros(QUERIES, np.int8),
        shares=np.full((QUERIES, len(LABELS)), 0.25), unlabelled=np.zeros(QUERIES, np.int64),
        rows=lists.astype(np.int64), scores=lists.astype(np.float32), labels=lists.astype(np.int8),
        pair_sources=lists.astype(np.int8),
        first_page=FirstPageValues(np.full(QUERIES, 0.5), ndcg + noise, np.full(QUERIES, exact)),
    )  # fmt: skip
    return SavedResult(result, values)


def test_each_measure_stands_beside_its_differences_to_each_baseline() -> None:
    table = against_table(
        [saved("row-0", 0.4, 0.8, 0.7), saved("row-10", 0.5, 0.9, 0.6)],
        [saved("bm25", 0.45, 0.7, 0.7), saved("start", 0.4, 0.8, 0.7)],
    )
    assert table.header[:4] == ["model", "Recall@100", "Recall@100 - bm25", "Recall@100 - start"]
    first, second = table.rows
    assert first[:4] == ["row-0", "40.0 +-0.0", "-5.0 [-5.0, -5.0]", "+0.0 [+0.0, +0.0]"]
    assert second[7:] == ["60.0 +-0.0", "-10.0 [-10.0, -10.0]", "-10.0 [-10.0, -10.0]"]
    assert [row[:4] for row in table.context_rows] == [
        ["bm25", "45.0 +-0.0", "-", "-"],
        ["start", "40.0 +-0.0", "-", "-"],
    ]
    assert table.notes[0] == "Significantly behind bm25: row-0 in Recall@100, row-10 in Exact@10."
    assert table.notes[1] == "Significantly behind start: row-10 in Exact@10."
    assert as_markdown(table).startswith("## Models beside bm25 and start\n")


def test_nobody_behind_is_said_too() -> None:
    table = against_table([saved("row", 0.4, 0.8, 0.7)], [saved("bm25", 0.4, 0.7, 0.7)])
    assert table.notes[0] == "No model is significantly behind bm25."
