"""Measures of the first results of a list, which a shopper sees: reciprocal rank, nDCG@10 and Exact@10.

With d_1, d_2, ... the list of a query, P the products bought for it, and g(d) the gain of a product's label:

    reciprocal rank = 1 / (rank of the first product of P among the first 100), 0 if there is none
    DCG@10(d)       = sum of g(d_i) / log2(i + 1) over i = 1..10
    nDCG@10         = DCG@10(d) / (DCG@10 of all judged products of the query in the best order)
    Exact@10        = share of Exact among the labelled products of d_1, ..., d_10

The gains are those of the Shopping Queries data (Reddy et al., 2022): E 1, S 0.1, C 0.01, I 0. nDCG is computed from
judgments alone, since the best order is known only where all products of a query could be judged, and the annotator
labels only what was retrieved. As is usual, a product without a judgment has the gain 0. A query without a
judged product of positive gain has no nDCG. Products with equal scores have the order of the catalogue.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from artifacts.judgments import Relevance
from evaluation.labels.labelling import Labelling
from evaluation.measures.statistics import estimate
from evaluation.results.records import FIRST_PAGE, SOURCES, FirstPage, Measured
from evaluation.results.saved import Codes, FirstPageValues, Lists, Values
from evaluation.test_set.relevance import GAINS, LABELS, UNLABELLED, LabelLookup, shares_of_labels
from evaluation.test_set.test_set import TestSet

_GAINS = np.array([GAINS[label] for label in LABELS])  # in falling order, on which _best_dcg relies
_DISCOUNTS = 1 / np.log2(np.arange(FIRST_PAGE) + 2)
_EXACT = LABELS.index(Relevance.EXACT)


def reciprocal_rank(rows: Lists, bought: Sequence[npt.NDArray[np.int64]]) -> Values:
    """Return 1 / the rank of the first product bought in each list, 0 if there is none; (n, k) -> (n,)."""
    hits = np.stack([np.isin(own, mine) for own, mine in zip(rows, bought, strict=True)])
    found: Values = np.where(hits.any(axis=1), 1 / (hits.argmax(axis=1) + 1), 0.0)
    return found


def ndcg(labels: Codes, counts: npt.NDArray[np.int64]) -> Values:
    """Return nDCG@10 of each list.

    Args:
        labels: (n, k) label codes of the lists by the judgments, UNLABELLED for products without one and for padding.
        counts: (n, 4) how many products of each query are judged to have each label, in the order of LABELS.

    Returns:
        (n,) from 0 to 1; NaN for queries without a judged product of positive gain.
    """
    first = labels[:, :FIRST_PAGE]
    gains = np.where(first == UNLABELLED, 0.0, _GAINS[first])
    best = _best_dcg(counts)
    found = np.full(len(labels), np.nan)
    np.divide(gains @ _DISCOUNTS[: first.shape[1]], best, out=found, where=best > 0)
    return found


def exact_share(labelling: Labelling, rows: Lists) -> Values:
    """Return the share of Exact among the labelled products of each list's first ten, NaN if none has a label."""
    first = slice(0, FIRST_PAGE)
    shares, _ = shares_of_labels(labelling.labels[:, first], rows[:, first] >= 0)
    return shares[:, _EXACT]


def first_page_values(rows: Lists, labelling: Labelling, test_set: TestSet) -> FirstPageValues:
    """Return the per-query measures of the first results.

    Args:
        rows: (n, k) catalogue rows, best first, -1 for padding.
        labelling: the labels of these lists, by judgments and annotator.
        test_set: purchases and judgments.
    """
    lookup = test_set.labels
    return FirstPageValues(
        reciprocal_rank=reciprocal_rank(rows, test_set.bought),
        ndcg_at_10=ndcg(lookup.labels(rows[:, :FIRST_PAGE]), lookup.counts()) if lookup else np.full(len(rows), np.nan),
        exact_at_10=exact_share(labelling, rows),
    )


def first_page(values: FirstPageValues, labelling: Labelling, rows: Lists, lookup: LabelLookup | None) -> FirstPage:
    """Return the means of the measures with their intervals; the arguments are those of `first_page_values`."""
    exact = {
        source: found
        for code, source in enumerate(SOURCES)
        if (found := _measured(values.exact_at_10[labelling.source == code]))
    }
    mrr = _measured(values.reciprocal_rank)
    assert mrr is not None  # it is defined for every query
    return FirstPage(
        mrr=mrr,
        ndcg_at_10=_measured(values.ndcg_at_10),
        unjudged_at_10=_unjudged(rows[:, :FIRST_PAGE], ~np.isnan(values.ndcg_at_10), lookup),
        exact_at_10=exact,
    )


def _best_dcg(counts: npt.NDArray[np.int64]) -> Values:
    """Return the DCG@10 of the judged products of each query in the best order, (n, 4) -> (n,)."""
    up_to = np.concatenate([[0.0], np.cumsum(_DISCOUNTS)])  # the discounts of the first 0, 1, ... places
    ends = np.minimum(counts.cumsum(axis=1), FIRST_PAGE)
    starts = np.concatenate([np.zeros((len(counts), 1), dtype=np.int64), ends[:, :-1]], axis=1)
    best: Values = (up_to[ends] - up_to[starts]) @ _GAINS
    return best


def _unjudged(first: Lists, counted: npt.NDArray[np.bool_], lookup: LabelLookup | None) -> float | None:
    """Return the share of the counted queries' first products that have no judgment; None without such queries."""
    if lookup is None or not counted.any():
        return None
    found = first >= 0
    unknown = found & (lookup.labels(first) == UNLABELLED)
    return float(unknown[counted].sum() / found[counted].sum())


def _measured(values: Values) -> Measured | None:
    """Return the mean of the values that are defined with its interval; None if none is."""
    known = values[~np.isnan(values)]
    if not len(known):
        return None
    found = estimate(known)
    return Measured(mean=found.mean, low=found.low, high=found.high, queries=found.queries)
