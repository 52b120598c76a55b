"""Records of an evaluation: the content of the rows of the paper's tables (schema version 2).

A results folder contains results on one data set. The files of a model NAME are:

NAME.json                 Result: the row of Table 2, recall at other cut-offs, the sources of the labels
NAME.queries.parquet      one row per query: the values that the result averages
NAME.retrieved.parquet    one row per query: its first 100 products with scores and labels
NAME.vs-BASELINE.json     Comparison: the model's rows of Tables 3 and 4, and paired differences

Shares are from 0 to 1. `evaluation/results/saved.py` writes and reads the files of a Result,
`evaluation/measures/comparison.py` makes a Comparison of two results. A degenerate model has only NAME.json.
"""

from typing import Literal

from artifacts.bundle import ClipCaptions, ModelOrigin
from artifacts.checksums import FileRecord
from artifacts.records import Record

RESULT_SCHEMA_VERSION = 2
DEPTH = 100  # products retrieved for each query (paper, section 4.2)
FIRST_PAGE = 10  # products that a shopper sees first: nDCG@10 and Exact@10
FIRST_PAGE_CUT_OFFS = (1, 10)  # of recall, beside `DEPTH`, in the main table
CUT_OFFS = (1, 5, 10, 20, 50, 100, 200, 500)

# Where the labels of a query come from: only from judgments ("judged"), or from judgments and, for pairs without
# one, from the annotator ("annotated"). A query has at most one source; the two are never averaged together.
Source = Literal["judged", "annotated"]
SOURCES: tuple[Source, ...] = ("judged", "annotated")


class Interval(Record):
    """A mean over queries with its 95% confidence interval (percentile bootstrap over queries)."""

    mean: float
    low: float
    high: float


class Measured(Interval):
    """A mean over those queries for which the measure is defined."""

    queries: int


class Spread(Record):
    """A mean over queries and the population standard deviation of the per-query values (divisor n)."""

    mean: float
    deviation: float


class Difference(Record):
    """The model's mean minus the baseline's over the same queries."""

    mean: float
    low: float  # 95% confidence interval by paired bootstrap
    high: float
    p_value: float  # of a two-sided paired randomisation test
    queries: int


class LabelShares(Record):
    """Shares of the four labels among the labelled products of each query, averaged over the queries."""

    origin: str  # in words: "complete judgments", "judgments" or "annotator NAME"
    queries: int  # number of queries in the averages
    queries_left_out: int  # queries of this source without any labelled product
    pairs: int  # labelled pairs
    unlabelled_pairs: int  # left out: no judgment, and no annotator or it abstains
    precision: dict[str, Interval]  # by label; empty if no query has a labelled product


class Agreement(Record):
    """Agreement of the annotator with the judgments, on judged pairs of this result's lists.

    The pairs are those of at most AGREEMENT_QUERIES (evaluation/labels/labelling.py) judged queries. If the annotator
    was fitted on these judgments, the agreement is overestimated.
    """

    pairs: int
    abstained: int
    accuracy: float | None  # on pairs where it does not abstain; None if it always does


class FirstPage(Record):
    """Measures of the first results of a list; evaluation/measures/first_page.py has their definitions."""

    mrr: Measured  # reciprocal rank of the first product bought, over all queries
    ndcg_at_10: Measured | None  # by the judgments alone; None if no query has a relevant judged product
    unjudged_at_10: float | None  # share of the first ten products without a judgment, over the queries of nDCG
    exact_at_10: dict[Source, Measured]  # over the queries that have a labelled product among their first ten


class Result(Record):
    """Result of one model on the evaluation queries of a data set; `kind` is "context" for BM25 and sentence models."""

    schema_version: int = RESULT_SCHEMA_VERSION
    model: str  # the bundle's folder name, "bm25", or the sentence-transformers folder's name
    kind: Literal["model", "context"]
    description: str  # of a context row: what was searched and how; empty for models
    model_fingerprint: str
    dataset_fingerprint: str
    annotator_fingerprint: str | None
    origin: ModelOrigin | None  # of the bundle; its metrics contain the alpha sweep as recall_at_alpha_X
    depth: int = DEPTH
    products: int  # catalogue size
    queries: int
    rewriting: str | None = None  # the rule that the queries were rewritten by; None if they are as they were typed
    rewritten_queries: int = 0  # how many of them the rule changed
    degenerate: str | None  # why the answers are meaningless; then all fields below are None or empty
    recall: Interval | None  # at `depth`; the same as recall_at[depth]
    recall_at: dict[int, Interval]  # by cut-off; those of CUT_OFFS below the catalogue size, and `depth`
    labels: dict[Source, LabelShares]  # empty without judgments and annotator
    agreement: Agreement | None
    first_page: FirstPage | None = None  # None in older results and of degenerate models
    files: dict[str, FileRecord]  # checksums of the two Parquet files of this result


def clip_captions(result: Result) -> ClipCaptions | None:
    """Return what the CLIP of a model was trained on; None without a CLIP, and where it is not known."""
    return result.origin.clip_captions if result.origin else None


class NetLabels(Record):
    """Label shares of the net predictions, over the queries of one source that have labelled net predictions."""

    queries: int
    queries_left_out: int  # without net predictions, or with unlabelled ones only
    unlabelled_pairs: int
    precision: dict[str, Interval]


class FirstPageDifferences(Record):
    """Paired differences of the measures of the first results, over the queries for which both models have a value."""

    recall_at: dict[int, Difference]  # by the cut-offs of FIRST_PAGE_CUT_OFFS that both models have
    mrr: Difference
    ndcg_at_10: Difference | None
    exact_at_10: dict[Source, Difference]


class Comparison(Record):
    """Comparison of a model with the baseline on the same queries.

    Net predictions of a query are the products in the model's list and not in the baseline's.
    """

    schema_version: int = RESULT_SCHEMA_VERSION
    model: str
    baseline: str
    model_fingerprint: str
    baseline_fingerprint: str
    dataset_fingerprint: str
    depth: int
    overlap: Spread  # Table 3: products in both lists
    net_count: Spread  # Table 4: net predictions
    queries_without_net: int
    net_recall: Interval  # Table 4: purchases among the net predictions, over all purchases of the query
    net_labels: dict[Source, NetLabels]  # Table 4
    recall: Difference
    labels: dict[Source, dict[str, Difference]]  # by source, then label
    first_page: FirstPageDifferences | None = None  # None in older comparisons and with older results
