"""Slices, compared with a slow implementation by sets, on random lists."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from artifacts.catalog import Catalog
from evaluation.core.errors import EvaluationError
from evaluation.measures.slices import exact_in, recall_in, slices, slices_table
from evaluation.results.saved import SavedResult
from evaluation.test_set.test_set import TestSet
from tests.evaluation.measures.test_comparison import PRODUCTS, QUERIES, bought, pair, result  # noqa: F401

WORDS = ("red", "blue", "shoe", "shirt")


class Data:
    """Stand-in for a data set, with training pairs of the queries 0, 3, 6, ... and of the products below 60."""

    @property
    def train_pairs(self) -> pa.Table:
        generator = np.random.default_rng(4)
        numbers = np.arange(0, QUERIES, 3).repeat(4)
        products = generator.integers(0, 60, len(numbers))
        return pa.table(
            {
                "query": [_query(number) for number in numbers],
                "product_id": [f"p{number}" for number in products],
                "purchases": np.where(numbers == 9, 50, generator.integers(1, 4, len(numbers))),
            }
        )


def _query(number: int) -> str:
    return f"{WORDS[number % 4]} {number}"


@pytest.fixture
def test_set(bought: list[np.ndarray]) -> TestSet:  # noqa: F811
    titles = [f"{WORDS[number % 4].title()}, {number}" for number in range(PRODUCTS)]
    table = pa.table({"product_id": [f"p{number}" for number in range(PRODUCTS)], "title": titles})
    queries = [_query(number) for number in range(QUERIES)]
    return TestSet("d" * 64, Catalog(Path("none"), table), queries, bought, None)


def member(name: str, query: int, product: int) -> bool:
    """Return whether a purchase is in the slice of this name."""
    rows = Data().train_pairs.to_pylist()
    of_query = sum(row["purchases"] for row in rows if row["query"] == _query(query))
    of_product = sum(row["purchases"] for row in rows if row["product_id"] == f"p{product}")
    complete = query == product  # titles and queries end in their number
    return {
        "all queries": True,
        "query bought for in training": of_query > 0,
        "... often": query == 9,  # its 200 purchases are more than half of all
        "... seldom": of_query > 0 and query != 9,
        "query not bought for in training": of_query == 0,
        "title has all words of the query": complete,
        "title lacks a word of the query": not complete,
        "product bought often in training": of_product >= often(rows),
        "product ... seldom": 0 < of_product < often(rows),
        "... never": of_product == 0,
    }[name]


def often(rows: list[dict]) -> int:  # type: ignore[type-arg]
    sums: dict[str, int] = {}
    for row in rows:
        sums[row["product_id"]] = sums.get(row["product_id"], 0) + row["purchases"]
    ordered, taken = sorted(sums.values(), reverse=True), 0
    for count in ordered:
        taken += count
        if 2 * taken >= sum(ordered):
            return count
    raise AssertionError


def test_slices_hold_what_their_names_say(
    test_set: TestSet,
    pair: tuple[SavedResult, SavedResult],  # noqa: F811
) -> None:
    found = slices(test_set, Data())  # type: ignore[arg-type]
    names = [part.name for part in found]
    after = names.index("product bought often in training")
    values = pair[0].values
    assert values is not None and len(found) >= 9
    for place, part in enumerate(found):
        name = "product ... seldom" if part.name == "... seldom" and place > after else part.name
        recalls, exact = [], []
        for query, mine in enumerate(test_set.bought):
            inside = [product for product in mine.tolist() if member(name, query, product)]
            if inside:
                recalls.append(len(set(inside) & set(values.rows[query].tolist())) / len(inside))
                exact.append(values.shares[query, 0] if values.source[query] == 0 else np.nan)
        np.testing.assert_allclose(recall_in(part, values, test_set.bought), recalls)
        assert int(part.queries.sum()) == len(recalls)
        if part.of_queries:
            np.testing.assert_allclose(exact_in(part, values), exact)


def test_the_table_compares_query_by_query(
    test_set: TestSet,
    pair: tuple[SavedResult, SavedResult],  # noqa: F811
) -> None:
    mine, base = pair
    table = slices_table(mine, base, slices(test_set, Data()), test_set)  # type: ignore[arg-type]
    assert table.header == ["slice", "queries", "Recall@20", "less base's", "Exact", "less base's "]
    assert mine.values is not None and base.values is not None
    first = table.rows[0]
    recalls = [
        np.mean([np.isin(wanted, row).mean() for wanted, row in zip(test_set.bought, values.rows, strict=True)])
        for values in (mine.values, base.values)
    ]
    assert first[:3] == ["all queries", "60", f"{100 * recalls[0]:.1f}"]
    assert first[3].startswith(f"{100 * (recalls[0] - recalls[1]):+.1f} [")
    assert all(len(row) == 6 for row in table.rows)


def test_results_on_rewritten_queries_are_not_sliced(
    test_set: TestSet,
    pair: tuple[SavedResult, SavedResult],  # noqa: F811
) -> None:
    other = [SavedResult(result("mine", dataset_fingerprint="e" * 64), found.values) for found in pair]
    with pytest.raises(EvaluationError, match="other data, or on rewritten queries"):
        slices_table(other[0], other[1], [], test_set)
