"""Queries as shoppers type them, made from products."""

import numpy as np
import pyarrow as pa

from artifacts.query_text import normalise_query
from training.batches import shopper_queries
from training.batches.shopper_queries import ShopperQueries

KINDS, COLOURS, BRANDS = ("Mug", "Lamp", "Chair"), ("Red", "Blue"), ("Oakmere", "Elm & Co")
ROWS = [(kind, colour, brand) for kind in KINDS for colour in COLOURS for brand in BRANDS]
PRODUCTS = pa.table(
    {
        "product_id": [str(row) for row in range(len(ROWS) + 2)],
        "title": [
            *(f"{brand} {colour} Stoneware {kind} | QX-{row}07" for row, (kind, colour, brand) in enumerate(ROWS)),
            None,
            "",
        ],
        "category": [*(f"Home > {kind}s" for kind, _, _ in ROWS), None, None],
        "brand": [*(brand for _, _, brand in ROWS), None, None],
        "material": [*(["Glazed Clay", "a description that is far too long to be typed"] * 6), None, "Steel"],
    }
)
FIELDS = ("category", "brand", "material")


def made(row: int, count: int = 300, seed: int = 1) -> list[str]:
    return ShopperQueries(PRODUCTS, FIELDS).queries(row, count, np.random.default_rng(seed))


def test_queries_say_what_shoppers_say(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(shopper_queries, "REWORDED_SHARE", 0.0)
    found = made(0)
    assert {"mug", "mugs", "red mug", "oakmere mug", "oakmere red mug", "qx-007", "oakmere qx-007"} <= {*found}
    assert any("glazed clay" in query for query in found) and "mug red" in found
    known = {"oakmere", "red", "stoneware", "mug", "mugs", "qx-007", "glazed", "clay"}
    assert {word for query in found for word in query.split()} == known
    assert len(found) == len({*found}) and max(len(query.split()) for query in found) <= 6
    assert not any("description" in query for query in made(1))


def test_some_are_typed_otherwise() -> None:
    words = {word for query in made(0) for word in query.split()}
    assert words - {"oakmere", "red", "stoneware", "mug", "mugs", "qx-007", "glazed", "clay"}


def test_queries_have_the_one_form_of_query_texts_whatever_the_columns_hold(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(shopper_queries, "REWORDED_SHARE", 0.0)
    columns = {
        "title": ["Café Mug", "Mug"] * 6,
        "category": ["Home > Cafe\u0301 Mugs"] * 6 + ["Gl\u00adass"] * 6,  # an accent of its own, a soft hyphen
        "brand": ["\uff33\uff4f\uff4e\uff59"] * 12,  # letters of full width
    }
    maker = ShopperQueries(pa.table(columns), ("category", "brand"))
    found = {query for row in range(12) for query in maker.queries(row, 40, np.random.default_rng(row))}
    assert all(query == normalise_query(query) for query in found)
    assert {"sony café mugs", "café mugs", "glass"} <= found and not any(query.count("café") > 1 for query in found)


def test_words_that_many_titles_hold_are_drawn_more_often() -> None:
    queries = [query.split() for row in range(12) for query in made(row, 60)]
    counts = {word: sum(word in query for query in queries) for word in ("stoneware", "qx-007")}
    assert counts["stoneware"] > 3 * counts["qx-007"]


def test_products_without_a_word_give_none_and_those_with_a_value_alone_give_it() -> None:
    assert made(12) == []
    assert {*made(13)} <= {"", "steel"} or all("steel" in query or len(query) > 3 for query in made(13))


def test_without_columns_the_title_is_enough() -> None:
    maker = ShopperQueries(PRODUCTS.select(["product_id", "title"]), ())
    assert "oakmere" in " ".join(maker.queries(0, 30, np.random.default_rng(0)))


def test_the_seed_decides() -> None:
    assert made(0, 10) == made(0, 10) != made(0, 10, seed=2)
