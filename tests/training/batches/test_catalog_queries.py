"""Queries made from a catalogue."""

import pyarrow as pa

from training.batches.catalog_queries import LONGEST_VALUE, catalog_queries

PRODUCTS = pa.table(
    {
        "product_id": ["a", "b", "c", "d"],
        "title": ["Oakmere Striped Stoneware Mug", "LED Lamp", "", None],
        "category": ["Kitchen", None, "Toys", None],
        "description": ["x" * (LONGEST_VALUE + 1), "warm light", None, None],
    }
)


def test_words_come_from_the_product_alone_and_in_the_order_of_its_title() -> None:
    seen = set()
    for seed in range(60):
        found = catalog_queries(PRODUCTS, ["category", "description", "absent"], 4, seed).to_pylist()
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


def test_the_seed_decides_and_the_number_is_kept() -> None:
    assert catalog_queries(PRODUCTS, ["category"], 2, 7).equals(catalog_queries(PRODUCTS, ["category"], 2, 7))
    assert len(catalog_queries(PRODUCTS, [], 1, 0)) <= 1
