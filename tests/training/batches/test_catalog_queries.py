"""Queries made from a catalogue."""

from collections import Counter

import numpy as np
import pyarrow as pa

from training.batches.catalog_queries import (
    LONGEST_VALUE,
    catalog_queries,
    check_queries,
    most_training_queries,
    training_queries,
)

PRODUCTS = pa.table(
    {
        "product_id": ["a", "b", "c", "d"],
        "title": ["Oakmere Striped Stoneware Mug", "LED Lamp", "", None],
        "category": ["Kitchen", None, "Toys", None],
        "description": ["x" * (LONGEST_VALUE + 1), "warm light", None, None],
    }
)

ALL = np.arange(4)


def test_words_come_from_the_product_alone_and_in_the_order_of_its_title() -> None:
    seen = set()
    for seed in range(60):
        found = catalog_queries(PRODUCTS, ["category", "description", "absent"], ALL, seed).to_pylist()
        by_product = {row["product_id"]: row["query"] for row in found}
        assert set(by_product) <= {"a", "b", "c"}  # d has no word
        words = by_product["a"].removeprefix("kitchen ").split()
        title = ["oakmere", "striped", "stoneware", "mug"]
        assert len(words) == 3 and words == [word for word in title if word in words]
        assert by_product["b"] in ("led lamp", "warm light led lamp")
        assert by_product.get("c", "toys") == "toys"
        seen.update(by_product.values())
    assert {"led lamp", "warm light led lamp", "toys"} <= seen
    assert any(query.startswith("kitchen ") for query in seen)


def test_the_seed_decides() -> None:
    assert catalog_queries(PRODUCTS, ["category"], ALL, 7).equals(catalog_queries(PRODUCTS, ["category"], ALL, 7))
    assert catalog_queries(PRODUCTS, ["category"], ALL[:1], 7)["product_id"].to_pylist() == ["a"]


def test_a_fit_is_checked_on_products_that_it_made_no_query_of() -> None:
    many = pa.table({"product_id": [str(row) for row in range(95)], "title": [f"mug {row}" for row in range(95)]})
    checked = set(check_queries(many, [], 3)["product_id"].to_pylist())
    made = training_queries(many, [], 2, 3)
    assert len(checked) == 10
    assert len(made) == most_training_queries(95, 2) == 2 * 85
    counts = Counter(made["product_id"].to_pylist())
    assert set(counts.values()) == {2} and not checked & set(counts)
    assert made.equals(training_queries(many, [], 2, 3)) and not made.equals(training_queries(many, [], 2, 4))


def test_no_query_is_made_of_no_product() -> None:
    nothing = PRODUCTS.slice(0, 0)
    assert len(training_queries(nothing, [], 3, 0)) == len(check_queries(nothing, [], 0)) == 0
