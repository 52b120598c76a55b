"""Where a model gains and where it loses: its results by kinds of queries and by kinds of purchases.

With P(q) the products bought for query q, A(q) the model's list and Z a slice of the pairs of queries and purchases:

    recall_Z(q) = |A(q) and P(q) and Z(q)| / |P(q) and Z(q)|      mean over the queries with a purchase in Z

A slice of queries takes all of their purchases or none, and then has a share of Exact products too. Frequencies
are purchases of the training window. "Often" are the fewest queries, or products, that make up half of them.
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
    """Some pairs of queries and purchases.

    Attributes:
        name: in words.
        purchases: for each query of the test set, which of its purchases are in it.
        of_queries: whether every query has all of its purchases in it or none.
    """

    name: str
    purchases: Sequence[Flags]
    of_queries: bool

    @property
    def queries(self) -> Flags:
        """Which queries have a purchase in it, (n,)."""
        return np.array([flags.any() for flags in self.purchases], dtype=np.bool_)


def slices(test_set: TestSet, dataset: Dataset) -> list[Slice]:
    """The slices of a test set that have any purchase."""
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
    """Recall of the queries that have a purchase in the slice, among these purchases."""
    found = [
        np.isin(mine[flags], row).mean()
        for flags, mine, row in zip(part.purchases, bought, values.rows, strict=True)
        if flags.any()
    ]
    return np.array(found, dtype=np.float64)


def exact_in(part: Slice, values: QueryValues) -> Values:
    """Share of Exact products of the slice's queries; NaN for those without a label of the first source."""
    source = next((source for source in SOURCES if values.of_source(source).any()), None)
    known = values.of_source(source) if source else np.zeros(len(values.queries), np.bool_)
    shares: Values = np.where(known, values.shares[:, _EXACT], np.nan)[part.queries]
    return shares


def slices_table(model: SavedResult, baseline: SavedResult, parts: Sequence[Slice], test_set: TestSet) -> Table:
    """Recall and Exact of a model in each slice, less a baseline's.

    Raises:
        EvaluationError: the results are of other data than the slices, or one is degenerate.
    """
    if model.result.dataset_fingerprint != test_set.dataset_fingerprint:
        raise EvaluationError(
            f"{model.result.model} was evaluated on other data, or on rewritten queries; slice neither"
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
    """The mean, and its paired difference, over the queries where both are known."""
    known = ~np.isnan(mine) & ~np.isnan(theirs)
    if not known.any():
        return [_NOTHING, _NOTHING]
    differences = (mine - theirs)[known]
    found, p_value = estimate(differences), randomisation_p_value(differences)
    p_text = "p<0.001" if p_value < 0.001 else f"p={p_value:.3f}"
    difference = f"{100 * found.mean:+.1f} [{100 * found.low:+.1f}, {100 * found.high:+.1f}] {p_text}"
    return [f"{100 * mine[known].mean():.1f}", difference]


def _sums(keys: Sequence[str], counts: Sequence[int]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for key, count in zip(keys, counts, strict=True):
        sums[key] = sums.get(key, 0) + count
    return sums


def _least_often(counts: Mapping[str, int]) -> int:
    """The count of the last of the fewest keys that make up half of all counts."""
    ordered = np.sort(list(counts.values()))[::-1]
    return int(ordered[np.searchsorted(np.cumsum(ordered), ordered.sum() / 2)])


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.lower()))
