"""The records of an evaluation: what a row of the paper's tables holds (schema version 2).

One results folder holds results on one data set. Of each model NAME:

NAME.json                 Result: the row of Table 2, recall at other cut-offs, where labels come from
NAME.queries.parquet      one row a query: what every mean of the result is over
NAME.retrieved.parquet    one row a query: its first 100 products with scores and labels
NAME.vs-BASELINE.json     Comparison: the model's rows of Tables 3 and 4, and paired differences

Shares are from 0 to 1. `evaluation/results/saved.py` writes and reads the files of a Result,
`evaluation/measures/comparison.py` makes a Comparison of two. A degenerate model has NAME.json alone.
"""

from typing import Literal

from artifacts.bundle import ModelOrigin
from artifacts.checksums import FileRecord
from artifacts.records import Record

RESULT_SCHEMA_VERSION = 2
DEPTH = 100  # products retrieved for each query (paper, section 4.2)
CUT_OFFS = (1, 5, 10, 20, 50, 100, 200, 500)

# Where a query's labels come from. Each query belongs to one source at most, and the two are never averaged
# together: judgments alone ("judged"), or judgments where there are any and the annotator for all other
# pairs ("annotated").
Source = Literal["judged", "annotated"]
SOURCES: tuple[Source, ...] = ("judged", "annotated")


class Interval(Record):
    """A mean over queries with its 95% confidence interval (percentile bootstrap over queries)."""

    mean: float
    low: float
    high: float


class Spread(Record):
    """A mean over queries and the standard deviation of one query (population: divided by n)."""

    mean: float
    deviation: float


class Difference(Record):
    """The model's mean less the baseline's over the same queries."""

    mean: float
    low: float  # 95% paired bootstrap
    high: float
    p_value: float  # two-sided paired randomisation test: signs of the queries' differences drawn at random
    queries: int


class LabelShares(Record):
    """Shares of the four labels among the labelled products of each query, averaged over the queries."""

    origin: str  # in words: "complete judgments", "judgments" or "annotator NAME"
    queries: int  # how many are averaged
    queries_left_out: int  # of this source, none of whose products has a label
    pairs: int  # labelled pairs
    unlabelled_pairs: int  # left out: nothing is known of them, or the annotator abstains
    precision: dict[str, Interval]  # by label; empty where no query has a labelled product


class Agreement(Record):
    """How far the annotator agrees with the judgments on judged pairs of this result's lists.

    The pairs are those of at most AGREEMENT_QUERIES (evaluation/labels/labelling.py) judged queries, the same queries
    for every result. If the annotator was fitted on these judgments, the agreement is overestimated.
    """

    pairs: int
    abstained: int
    accuracy: float | None  # among those where it does not abstain; None where it always does


class Result(Record):
    """One model, or one context row, on the evaluation queries of a data set."""

    schema_version: int = RESULT_SCHEMA_VERSION
    model: str  # the bundle's folder name, "bm25", or the sentence-transformers folder's name
    kind: Literal["model", "context"]
    description: str  # in words, for context rows: what was searched and how; empty for models
    model_fingerprint: str
    dataset_fingerprint: str
    annotator_fingerprint: str | None
    origin: ModelOrigin | None  # of the bundle; its metrics hold the alpha sweep as recall_at_alpha_X
    depth: int = DEPTH
    products: int  # catalogue size
    queries: int
    degenerate: str | None  # why the model's answers mean nothing; then all that follows is absent
    recall: Interval | None  # at `depth`; the same as recall_at[depth]
    recall_at: dict[int, Interval]  # by CUT_OFFS, as far as the catalogue is larger
    labels: dict[Source, LabelShares]  # without judgments and annotator, empty
    agreement: Agreement | None
    files: dict[str, FileRecord]  # the two tables of this result


class NetLabels(Record):
    """Labels of the net predictions, over the queries of one source that have labelled ones."""

    queries: int
    queries_left_out: int  # without net predictions, or with none that has a label
    unlabelled_pairs: int
    precision: dict[str, Interval]


class Comparison(Record):
    """A model against the baseline, query by query.

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
