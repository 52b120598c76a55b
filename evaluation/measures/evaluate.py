"""Evaluation of one system on a test set: exact search, purchase recall and the shares of the relevance labels.

Source: paper, section 4.2. Recall@k of a query is the share of the products bought for it that are among its
first k results. The precision of a label is the share of that label among the query's labelled products of the
first 100. Both are averaged over queries. Measures of the first results are in first_page.py.
"""

import numpy as np

from evaluation.core.errors import DegenerateError
from evaluation.labels.labelling import Labeller, Labelling
from evaluation.measures.comparison import interval, label_intervals
from evaluation.measures.first_page import first_page, first_page_values
from evaluation.results.records import CUT_OFFS, DEPTH, SOURCES, LabelShares, Result, Source
from evaluation.results.saved import QueryValues
from evaluation.systems.system import System, Workspace
from evaluation.test_set.relevance import shares_of_labels
from evaluation.test_set.test_set import TestSet
from knn import Neighbours, recall_of_rows


def evaluate(
    system: System, test_set: TestSet, labeller: Labeller, workspace: Workspace
) -> tuple[Result, QueryValues | None]:
    """Evaluate a system; the per-query values are None if it is degenerate."""
    annotated = labeller.annotated
    result = Result(
        model=system.name,
        kind=system.kind,
        description=system.description,
        model_fingerprint=system.fingerprint,
        dataset_fingerprint=test_set.dataset_fingerprint,
        annotator_fingerprint=annotated.annotator.fingerprint if annotated else None,
        origin=system.origin,
        products=len(test_set.catalog),
        queries=len(test_set.queries),
        rewriting=test_set.rewriting,
        rewritten_queries=test_set.rewritten_queries,
        degenerate=None,
        recall=None,
        recall_at={},
        labels={},
        agreement=None,
        files={},
    )
    try:
        answers = system.answer(test_set, min(max(CUT_OFFS), len(test_set.catalog)), workspace)
    except DegenerateError as error:
        return result.model_copy(update={"degenerate": str(error)}), None
    labelling = labeller.label(answers.rows[:, :DEPTH])
    values = _query_values(answers, labelling, test_set)
    assert values.first_page is not None  # as it was just made
    recall_at = {k: interval(recall) for k, recall in values.recall_at.items()}
    found = {
        "recall": recall_at[DEPTH],
        "recall_at": recall_at,
        "labels": {
            source: _label_shares(values, source, labeller.describe(source))
            for source in SOURCES
            if values.of_source(source).any()
        },
        "agreement": labelling.agreement,
        "first_page": first_page(values.first_page, labelling, values.rows, test_set.labels),
    }
    return result.model_copy(update=found), values


def _query_values(answers: Neighbours, labelling: Labelling, test_set: TestSet) -> QueryValues:
    rows = answers.rows[:, :DEPTH]
    cut_offs = [k for k in CUT_OFFS if k < len(test_set.catalog) or k == DEPTH]
    shares, unlabelled = shares_of_labels(labelling.labels, rows >= 0)
    return QueryValues(
        queries=test_set.queries,
        bought=np.array([len(bought) for bought in test_set.bought], dtype=np.int64),
        recall_at={k: recall_of_rows(answers.rows[:, :k], test_set.bought) for k in cut_offs},
        source=labelling.source,
        shares=shares,
        unlabelled=np.where(labelling.source >= 0, unlabelled, 0),
        rows=rows,
        scores=answers.scores[:, :DEPTH],
        labels=labelling.labels,
        pair_sources=labelling.pair_sources,
        first_page=first_page_values(rows, labelling, test_set),
    )


def _label_shares(values: QueryValues, source: Source, origin: str) -> LabelShares:
    asked = values.of_source(source)
    shares = values.shares[asked]
    known = ~np.isnan(shares[:, 0])
    unlabelled = int(values.unlabelled[asked].sum())
    return LabelShares(
        origin=origin,
        queries=int(known.sum()),
        queries_left_out=int((~known).sum()),
        pairs=int((values.rows[asked] >= 0).sum()) - unlabelled,
        unlabelled_pairs=unlabelled,
        precision=label_intervals(shares[known]),
    )
