"""Results of a model by slices: kinds of queries and kinds of purchases.

A slice Z is a set of (query, purchased product) pairs, Z(q) the products in it for query q. With P(q) the products
bought for q and A(q) the model's list:

    recall_Z(q) = |A(q) and P(q) and Z(q)| / |P(q) and Z(q)|      mean over the queries with a purchase in Z

A slice of queries contains all purchases of a query or none; for such slices the share of Exact products is computed
too. Frequencies are counts of purchases in the training window. "Often" means: among the smallest set of queries, or
of products, that has half of these purchases.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from artifacts.dataset import Dataset
from artifacts.judgments import Relevance
from evaluation.core.errors import EvaluationError
from evaluation.core.text_tables import Table
from evaluation.measures.comparison import values_to_compare
from evaluation.measures.statistics import estimate, randomisation_p_value
from evaluation.results.records import SOURCES
from evaluation.results.saved import QueryValues, SavedResult, Values
from evaluation.test_set.relevance import LABELS
from evaluation.test_set.test_set import TestSet

Flags = npt.NDArray[np.bool_]

_EXACT = LABELS.index(Relevance.EXACT)
_NOTHING = "-"
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, eq=False)
class Slice:
    """A set of (query, purchased product) pairs.

    Attributes:
        name: description of the slice, as the table shows it.
        purchases: for each query of the test set, which of its purchases are in the slice.
        of_queries: whether the slice contains either all purchases of a query or none.
    """

    name: str
    purchases: Sequence[Flags]
    of_queries: bool

    @property
    def queries(self) -> Flags:
        """Which queries have a purchase in the slice, (n,)."""
        return np.array([flags.any() for flags in self.purchases], dtype=np.bool_)


def slices(test_set: TestSet, dataset: Dataset) -> list[Slice]:
    """Return the slices of a test set, without empty ones."""
    train = dataset.train_pairs.to_pydict()
    by_query = _sums(train["query"], train["purchases"])
    by_product = _sums(train["product_id"], train["purchases"])
    often_asked, often_bought = _least_often(by_query), _least_often(by_product)
    ids, titles = test_set.catalog.product_ids, test_set.catalog.titles
    asked = [by_query.get(query, 0) for query in test_set.queries]
    bought = [np.array([by_product.get(ids[row], 0) for row in rows]) for rows in test_set.bought]
    complete = [
        np.array([_words(query) <= _words(titles[row]) for row in rows])
        for query, rows in zip(test_set.queries, test_set.bought, strict=True)
    ]

    def queries(name: str, chosen: Callable[[int], bool]) -> Slice:
        flags = [np.full(len(rows), chosen(count)) for rows, count in zip(test_set.bought, asked, strict=True)]
        return Slice(name, flags, of_queries=True)

    found = [
        queries("all queries", lambda count: True),
        queries("query bought for in training", lambda count: count > 0),
        queries("... often", lambda count: count >= often_asked),
        queries("... seldom", lambda count: 0 < count < often_asked),
        queries("query not bought for in training", lambda count: count == 0),
        Slice("title has all words of the query", complete, of_queries=False),
        Slice("title lacks a word of the query", [~flags for flags in complete], of_queries=False),
        Slice("product bought often in training", [counts >= often_bought for counts in bought], of_queries=False),
        Slice("... seldom", [(counts > 0) & (counts < often_bought) for counts in bought], of_queries=False),
        Slice("... never", [counts == 0 for counts in bought], of_queries=False),
    ]
    return [part for part in found if part.queries.any()]


def recall_in(part: Slice, values: QueryValues, bought: Sequence[npt.NDArray[np.int64]]) -> Values:
    """Return the recall on the slice's purchases for each query that has any."""
    found = [
        np.isin(mine[flags], row).mean()
        for flags, mine, row in zip(part.purchases, bought, values.rows, strict=True)
        if flags.any()
    ]
    return np.array(found, dtype=np.float64)


def exact_in(part: Slice, values: QueryValues) -> Values:
    """Return the share of Exact products for each query of the slice; NaN without a label of the first source."""
    source = next((source for source in SOURCES if values.of_source(source).any()), None)
    known = values.of_source(source) if source else np.zeros(len(values.queries), np.bool_)
    shares: Values = np.where(known, values.shares[:, _EXACT], np.nan)[part.queries]
    return shares


def slices_table(model: SavedResult, baseline: SavedResult, parts: Sequence[Slice], test_set: TestSet) -> Table:
    """Return recall and the share of Exact products in each slice, with their differences to a baseline.

    Raises:
        EvaluationError: a result is of other data than the slices, or is degenerate.
    """
    if model.result.dataset_fingerprint != test_set.dataset_fingerprint:
        raise EvaluationError(
            f"{model.result.model} was evaluated on other data, or on rewritten queries, which have no slices"
        )
    mine, theirs = values_to_compare(model, baseline)
    rows = []
    for part in parts:
        recalls = [recall_in(part, values, test_set.bought) for values in (mine, theirs)]
        cells = [part.name, f"{int(part.queries.sum()):,}", *_compared(*recalls)]
        if part.of_queries:
            cells += _compared(*(exact_in(part, values) for values in (mine, theirs)))
        rows.append([*cells, *[_NOTHING] * (6 - len(cells))])
    name = baseline.result.model
    header = ["slice", "queries", f"Recall@{model.result.depth}", f"less {name}'s", "Exact", f"less {name}'s "]
    note = "Percent, and percentage points with 95% confidence intervals; p of a paired randomisation test."
    return Table(f"{model.result.model} by slices", header, rows, notes=[note])


def _compared(mine: Values, theirs: Values) -> list[str]:
    """Format the model's mean and its paired difference, over the queries for which both values are known."""
    known = ~np.isnan(mine) & ~np.isnan(theirs)
    if not known.any():
        return [_NOTHING, _NOTHING]
    differences = (mine - theirs)[known]
    found, p_value = estimate(differences), randomisation_p_value(differences)
    p_text = "p<0.001" if p_value < 0.001 else f"p={p_value:.3f}"
    difference = f"{100 * found.mean:+.1f} [{100 * found.low:+.1f}, {100 * found.high:+.1f}] {p_text}"
    return [f"{100 * mine[known].mean():.1f}", difference]


def _sums(keys: Sequence[str], counts: Sequence[int]) -> dict[str, int]:
    """Add up the counts of equal keys."""
    sums: dict[str, int] = {}
    for key, count in zip(keys, counts, strict=True):
        sums[key] = sums.get(key, 0) + count
    return sums


def _least_often(counts: Mapping[str, int]) -> int:
    """Return the smallest count in the smallest set of keys that has half of the total."""
    ordered = np.sort(list(counts.values()))[::-1]
    return int(ordered[np.searchsorted(np.cumsum(ordered), ordered.sum() / 2)])


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.lower()))
