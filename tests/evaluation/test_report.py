from dataclasses import replace

import numpy as np
import pytest

from evaluation.errors import EvaluationError
from evaluation.report import difference_table, results_table
from evaluation.results import Interval, QueryValues, Result

RESULT = Result(
    model="cat",
    model_fingerprint="f" * 64,
    dataset_fingerprint="d" * 64,
    depth=100,
    queries=1200,
    recall=Interval(mean=0.625, low=0.61, high=0.64),
    relevance_source="complete judgments",
    judged_queries=1000,
    unlabelled_pairs=3,
    precision={label: Interval(mean=0.25, low=0.24, high=0.26) for label in "ESCI"},
)


def values(name: str, recall: list[float]) -> QueryValues:
    shares = np.full((len(recall), 4), 0.25)
    shares[0] = np.nan
    return QueryValues(RESULT.model_copy(update={"model": name}), ["a", "b", "c"], np.array(recall), shares)


def test_a_row_a_model_in_percent() -> None:
    assert results_table([RESULT, RESULT.model_copy(update={"precision": {}})]).splitlines() == [
        "model  Recall@100       Exact  Substitute  Complement  Irrelevant",
        "cat    62.5 +-1.5  25.0 +-1.0   25.0 +-1.0   25.0 +-1.0   25.0 +-1.0".replace("   25", "  25"),
        "cat    62.5 +-1.5           -           -           -           -",
        "1,200 queries; relevance from complete judgments of 1,000 queries, 3 pairs without a label left out; "
        "percent, +- half of the 95% confidence interval",
    ]


def test_differences_are_paired_and_marked_where_zero_lies_outside() -> None:
    table = difference_table(values("cat", [0.9, 0.8, 0.7]), [values("bibert", [0.8, 0.7, 0.6])])
    # Every query gains exactly 10 points: a paired interval has no width, an unpaired one would.
    assert "cat - bibert" in table and "+10.00 [+10.00, +10.00]*" in table
    assert "+0.00 [+0.00, +0.00] " in table + " "  # labels: no difference, no mark


def test_results_on_other_data_are_not_compared() -> None:
    mine = values("cat", [1, 1, 1])
    other = replace(mine, result=mine.result.model_copy(update={"dataset_fingerprint": "e" * 64, "model": "x"}))
    with pytest.raises(EvaluationError, match="cat and x were evaluated on different data and cannot be compared"):
        difference_table(mine, [other])
    with pytest.raises(EvaluationError):
        difference_table(mine, [replace(mine, queries=["a", "b", "z"])])
