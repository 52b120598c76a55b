"""Judgments as arrays, their faults, and the split by query."""

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from artifacts.catalog import Catalog, read_catalog
from artifacts.judgments import Judgments, Relevance
from training.annotator.judged import Part, judged_pairs, split_queries
from training.errors import JudgmentsError

Row = tuple[str, str, str]


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    table = {"product_id": ["a", "b"], "title": ["A", "B"], "image": pa.array([None, None], pa.string())}
    pq.write_table(pa.table(table), tmp_path / "catalog.parquet")
    return read_catalog(tmp_path / "catalog.parquet")


def judgments(rows: list[Row], complete: bool = False) -> Judgments:
    columns = {name: [row[place] for row in rows] for place, name in enumerate(("query", "product_id", "label"))}
    return Judgments(pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()}), complete)


def ten_queries(label: str = "E", product: str = "a") -> list[Row]:
    return [(f"q{number}", product, label) for number in range(10)]


def test_pairs_are_numbered_and_unknown_products_counted(catalog: Catalog) -> None:
    rows = [*ten_queries(), ("q3", "b", "I"), ("q3", "gone", "S"), ("q4", "b", "C")]
    pairs = judged_pairs(judgments(rows), catalog)
    assert pairs.labels == (Relevance.EXACT, Relevance.COMPLEMENT, Relevance.IRRELEVANT)
    assert pairs.unknown_products == 1
    found = [
        (pairs.queries[query], "ab"[row], pairs.labels[code])
        for query, row, code in zip(pairs.query_numbers, pairs.rows, pairs.codes, strict=True)
    ]
    assert found == [row for row in rows if row[1] != "gone"]
    assert pairs.relevance_codes().tolist() == [0] * 10 + [3, 2]


@pytest.mark.parametrize(
    ("rows", "complete", "message"),
    [
        ([], False, "there are no judgments; the annotator is fitted to judged pairs"),
        (ten_queries(product="gone"), False, "none of the 10 judged products is in {catalog}"),
        (ten_queries(), False, "all judgments have the label E; an annotator needs at least two labels"),
        (
            [*ten_queries(), ("q1", "b", "S")],
            True,
            "the judgments hold no Irrelevant pairs, which are those that are absent; "
            "give sampled judgments with rows of label I, as the annotator has to see some",
        ),
        (
            [("q", "a", "E"), ("q", "b", "I")],
            False,
            "1 judged queries are too few to fit, calibrate and test on; give 10 or more",
        ),
    ],
)
def test_judgments_of_no_use(rows: list[Row], complete: bool, message: str, catalog: Catalog) -> None:
    with pytest.raises(JudgmentsError, match=f"^{re.escape(message.format(catalog=catalog.path))}$"):
        judged_pairs(judgments(rows, complete), catalog)


def test_queries_are_split_by_seed_into_shares() -> None:
    queries = [f"query {number}" for number in range(500)]
    parts = split_queries(queries, seed=3)
    assert [int((parts == part).sum()) for part in Part] == [400, 50, 50]
    np.testing.assert_array_equal(split_queries(queries, seed=3), parts)
    assert (split_queries(queries, seed=4) != parts).any()


def test_queries_that_differ_in_case_and_spaces_stay_together() -> None:
    plain = [f"red shoe {number}" for number in range(60)]
    queries = [*plain, *(query.upper() for query in plain), *(query.replace(" ", "  ") for query in plain)]
    first, second, third = np.split(split_queries(queries, seed=0), 3)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first, third)


def test_few_queries_still_give_three_parts() -> None:
    assert set(split_queries([str(number) for number in range(10)], seed=0)) == set(Part)
