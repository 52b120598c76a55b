"""The expressions compile for the backends that no test can reach."""

import datetime
from collections import Counter

import ibis
import pyarrow as pa
import pytest

from artifacts.dataset import PurchaseInterest, Window
from training.logs.log_queries import LogQueries
from training.logs.query_forms import (
    distinct_queries_to_fetch,
    normalise_log,
    with_forms,
    with_plain_queries_in_lower_case,
)

WINDOW = Window(start=datetime.datetime(2025, 1, 1), end=datetime.datetime(2026, 1, 1))
INTEREST = PurchaseInterest(weights={"purchase": 1, "click": 0.1}, threshold=1)


@pytest.mark.parametrize("dialect", ["bigquery", "snowflake", "pyspark", "postgres", "trino", "clickhouse"])
@pytest.mark.parametrize("zone", [None, "UTC"])
def test_every_question_compiles(dialect: str, zone: str | None) -> None:
    kind = f"timestamp('{zone}')" if zone else "timestamp"
    log = ibis.table({"timestamp": kind, "query": "string", "product_id": "string", "event": "string"}, name="log")
    assert "distinct" in str(ibis.to_sql(distinct_queries_to_fetch(log), dialect=dialect)).lower()
    lower = with_plain_queries_in_lower_case(log)
    assert "LOWER(" in str(ibis.to_sql(lower, dialect=dialect)).upper()
    queries = LogQueries.of(with_forms(lower, [("mug ", "mug")]), pa.table({"product_id": ["A"]}))
    positives = str(ibis.to_sql(queries.positives(WINDOW, INTEREST), dialect=dialect))
    negatives = str(ibis.to_sql(queries.seen_negatives(WINDOW, INTEREST, pa.array(["mug"]), 7), dialect=dialect))
    assert "100000" in positives and "purchase" in positives
    if dialect not in ("pyspark", "clickhouse"):  # these have the joins that others lack
        assert "ANTI JOIN" not in positives + negatives and "SEMI JOIN" not in positives + negatives
    assert "md5(" in negatives.lower() and "|7|" in negatives and "row_number()" in negatives.lower()


def test_capitals_of_plain_queries_are_not_fetched() -> None:
    """A log in which half of the queries begin with a capital is changed where it lies."""
    queries = ["Mug 10", "mug 10 ", "ΟΔΟΣ", "MUG [A-Z]", "mug", None]
    log = ibis.memtable(pa.table({"query": pa.array(queries, pa.string())}))
    assert sorted(distinct_queries_to_fetch(log).to_pyarrow()["query"].to_pylist()) == ["mug 10 ", "ΟΔΟΣ"]
    forms = normalise_log(log).to_pyarrow()["query"].to_pylist()
    assert Counter(forms) == Counter(["mug 10", "mug 10", "οδος", "mug [a-z]", "mug", None])
