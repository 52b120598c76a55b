"""Comparison of a model with the baseline: the paper's Tables 3 and 4, and paired differences (section 4.4).

With A(q) the model's list of `depth` products for query q, B(q) the baseline's, P(q) the products bought for q,
and N(q) = A(q) without B(q) the net predictions:

    overlap(q)     = |A(q) and B(q)|                               Table 3: mean and deviation over q
    net count(q)   = |N(q)|                                        Table 4: mean and deviation over q
    net recall(q)  = |N(q) and P(q)| / |P(q)|                      Table 4: mean over all queries
    net share_L(q) = |{d in N(q): label L}| / |{d in N(q): labelled}|    Table 4: mean over the queries that have
                                                                   labelled net predictions; others are counted

The paper defines net recall as "the Purchase Recall metric, computed against the ground-truth purchases". The
denominator is therefore all purchases of the query, not those that the baseline misses, and a query without net
predictions counts with 0. (By this definition net recall is at most the share that the baseline misses, 21.9% in
the paper. Its figures of 10% to 21% agree with that, those over 56% do not.)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evaluation.core.errors import EvaluationError
from evaluation.measures.statistics import estimate, randomisation_p_value
from evaluation.results.records import (
    FIRST_PAGE_CUT_OFFS,
    SOURCES,
    Comparison,
    Difference,
    FirstPageDifferences,
    Interval,
    NetLabels,
    Source,
    Spread,
)
from evaluation.results.saved import Lists, QueryValues, SavedResult, Values
from evaluation.test_set.relevance import LABELS, shares_of_labels


@dataclass(frozen=True)
class Differences:
    """Paired differences of a model and a baseline on the same queries; the fields are those of Comparison."""

    model: str
    baseline: str
    recall: Difference
    labels: dict[Source, dict[str, Difference]]
    first_page: FirstPageDifferences | None


def in_list(rows: Lists, others: Lists) -> npt.NDArray[np.bool_]:
    """Return which products of each query's list are in the other list too: (n, k), (n, j) -> (n, k).

    Padding (-1) counts as in no list.
    """
    span = int(max(rows.max(initial=0), others.max(initial=0))) + 1
    offsets = np.arange(len(rows), dtype=np.int64)[:, None] * span
    keys = (others + offsets)[others >= 0]
    found: npt.NDArray[np.bool_] = np.isin(rows + offsets, keys) & (rows >= 0)
    return found


def net_predictions(rows: Lists, baseline: Lists) -> npt.NDArray[np.bool_]:
    """Return which products of each query's list are not in the baseline's: (n, k), (n, j) -> (n, k)."""
    return (rows >= 0) & ~in_list(rows, baseline)


def net_recall(rows: Lists, net: npt.NDArray[np.bool_], bought: Sequence[npt.NDArray[np.int64]]) -> Values:
    """Return the share of each query's purchases that are among its net predictions, (n,)."""
    found = [np.isin(mine, own[new]).mean() for own, new, mine in zip(rows, net, bought, strict=True)]
    return np.array(found, dtype=np.float64)


def compare(model: SavedResult, baseline: SavedResult, bought: Sequence[npt.NDArray[np.int64]]) -> Comparison:
    """Compute Tables 3 and 4 and the paired differences for one model.

    Args:
        model: result of the model.
        baseline: result of the baseline, on the same data and with the same annotator.
        bought: catalogue rows bought for each query.

    Raises:
        EvaluationError: the two results are of different data or labels, or one is degenerate.
    """
    paired = differences(model, baseline)
    mine, theirs = values_to_compare(model, baseline)
    net = net_predictions(mine.rows, theirs.rows)
    counts = net.sum(axis=1)
    return Comparison(
        model=model.result.model,
        baseline=baseline.result.model,
        model_fingerprint=model.result.model_fingerprint,
        baseline_fingerprint=baseline.result.model_fingerprint,
        dataset_fingerprint=model.result.dataset_fingerprint,
        depth=model.result.depth,
        overlap=_spread(in_list(mine.rows, theirs.rows).sum(axis=1)),
        net_count=_spread(counts),
        queries_without_net=int((counts == 0).sum()),
        net_recall=interval(net_recall(mine.rows, net, bought)),
        net_labels={source: _net_labels(mine, net, source) for source in SOURCES if mine.of_source(source).any()},
        recall=paired.recall,
        labels=paired.labels,
        first_page=paired.first_page,
    )


def differences(model: SavedResult, baseline: SavedResult) -> Differences:
    """Compute only the paired differences; raises the same errors as `compare`."""
    mine, theirs = values_to_compare(model, baseline)
    depth = model.result.depth
    return Differences(
        model=model.result.model,
        baseline=baseline.result.model,
        recall=_difference(mine.recall_at[depth] - theirs.recall_at[depth]),
        labels=_label_differences(mine, theirs),
        first_page=_first_page_differences(mine, theirs),
    )


def values_to_compare(model: SavedResult, baseline: SavedResult) -> tuple[QueryValues, QueryValues]:
    """Return the per-query values of both results, after a check that they have the same queries and labels.

    Raises:
        EvaluationError: the results are of different data or labels, or one is degenerate.
    """
    mine, theirs = model.result, baseline.result
    for result in (mine, theirs):
        if result.degenerate:
            raise EvaluationError(f"{result.model} is degenerate ({result.degenerate}); there is nothing to compare")
    same = mine.dataset_fingerprint == theirs.dataset_fingerprint and mine.depth == theirs.depth
    same = same and mine.annotator_fingerprint == theirs.annotator_fingerprint
    assert model.values is not None and baseline.values is not None  # as neither is degenerate
    if not same or model.values.queries != baseline.values.queries:
        raise EvaluationError(
            f"{mine.model} and {theirs.model} were evaluated on different data or labels and cannot be compared; "
            "run both on one data set, with the same annotator"
        )
    return model.values, baseline.values


def _label_differences(mine: QueryValues, theirs: QueryValues) -> dict[Source, dict[str, Difference]]:
    """Return the difference of each label's share, by source, over the queries where both have labelled products."""
    found: dict[Source, dict[str, Difference]] = {}
    for source in SOURCES:
        differences = (mine.shares - theirs.shares)[mine.of_source(source)]
        known = differences[~np.isnan(differences).any(axis=1)]
        if len(known):
            found[source] = {label.value: _difference(known[:, code]) for code, label in enumerate(LABELS)}
    return found


def _first_page_differences(mine: QueryValues, theirs: QueryValues) -> FirstPageDifferences | None:
    """Return the differences of the measures of the first results; None if one of the results is an older one."""
    ours, other = mine.first_page, theirs.first_page
    if ours is None or other is None:
        return None
    exact = ours.exact_at_10 - other.exact_at_10
    by_source = {source: _known_difference(exact[mine.of_source(source)]) for source in SOURCES}
    cut_offs = [k for k in FIRST_PAGE_CUT_OFFS if k in mine.recall_at and k in theirs.recall_at]
    return FirstPageDifferences(
        recall_at={k: _difference(mine.recall_at[k] - theirs.recall_at[k]) for k in cut_offs},
        mrr=_difference(ours.reciprocal_rank - other.reciprocal_rank),
        ndcg_at_10=_known_difference(ours.ndcg_at_10 - other.ndcg_at_10),
        exact_at_10={source: found for source, found in by_source.items() if found},
    )


def interval(values: Values) -> Interval:
    """Return the mean over queries with its confidence interval."""
    found = estimate(values)
    return Interval(mean=found.mean, low=found.low, high=found.high)


def label_intervals(shares: Values) -> dict[str, Interval]:
    """Return the mean of each label's share, from (n, 4) shares; empty if there are no queries."""
    return {label.value: interval(shares[:, code]) for code, label in enumerate(LABELS)} if len(shares) else {}


def _net_labels(values: QueryValues, net: npt.NDArray[np.bool_], source: Source) -> NetLabels:
    asked = values.of_source(source)
    shares, unlabelled = shares_of_labels(values.labels[asked], net[asked])
    known = ~np.isnan(shares[:, 0])
    return NetLabels(
        queries=int(known.sum()),
        queries_left_out=int((~known).sum()),
        unlabelled_pairs=int(unlabelled.sum()),
        precision=label_intervals(shares[known]),
    )


def _known_difference(differences: Values) -> Difference | None:
    """Return the mean of the differences that are no NaN; None if all are."""
    known = differences[~np.isnan(differences)]
    return _difference(known) if len(known) else None


def _difference(differences: Values) -> Difference:
    found = estimate(differences)
    p_value = randomisation_p_value(differences)
    return Difference(mean=found.mean, low=found.low, high=found.high, p_value=p_value, queries=found.queries)


def _spread(counts: npt.NDArray[np.int64]) -> Spread:
    return Spread(mean=float(counts.mean()), deviation=float(counts.std()))
