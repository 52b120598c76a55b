"""Which columns of a shop's catalogue a text tower reads after the title."""

from pathlib import Path

import pyarrow as pa
import pytest

from artifacts.catalog import Catalog
from tests.training.small_recipes import small
from training.batches.fields import chosen_fields, text_fields
from training.errors import RecipeError
from training.recipes.recipe import Recipe

ROWS = 120
COLOURS = ("red", "blue", "dark green")

# What must be read, in the order in which it is.
READ = {
    "size": lambda row: ("S", "M", "64 GB")[row % 3],
    "colour": lambda row: COLOURS[row % 3],
    "brand": lambda row: f"Brand {'abcdefghij'[row % 10]}",
    "model": lambda row: f"WH-{row % 12}XM" if row % 2 else None,
    "category": lambda row: ("Haushalt > Küche", "キッチン用品 と 収納")[row % 2],
    "description": lambda row: f"A thing number {row} of the shop that many people have liked for {row} years",
}
# What says nothing of the product or is no text that anybody searches for.
NOT_READ = {
    "esci_id": lambda row: f"B0{row:06}XZ",
    "sku": lambda row: "".join("abcdefghij"[int(digit)] for digit in f"{row:04}"),
    "ean": lambda row: f"40{row:011}",
    "parent": lambda row: f"P{row // 4:05}",
    "link": lambda row: f"https://shop.example/p/{row % 5}",
    "file": lambda row: f"photos/{row % 7}.JPG",
    "listed": lambda row: f"2024-01-{1 + row % 28:02}T12:00:00Z",
    "cost": lambda row: f"{row}.99 EUR",
    "was": lambda row: f"${row},00",
    "availability": lambda row: ("in stock", "out of stock")[row % 2],
    "is_new": lambda row: ("yes", "no")[row % 2],
    "shop": lambda row: "the same for all",
    "nothing": lambda row: None,
    "name": lambda row: f"title {row}",
}


def catalogue(**columns: list[object]) -> Catalog:
    table = {
        "product_id": [str(row) for row in range(ROWS)],
        "title": [f"title {row}" for row in range(ROWS)],
        "image": pa.nulls(ROWS, pa.string()),
        "price": [float(row) for row in range(ROWS)],
    }
    return Catalog(Path("catalog.parquet"), pa.table({**table, **columns}))


def test_columns_are_chosen_by_what_they_hold() -> None:
    shop = catalogue(**{name: [value(row) for row in range(ROWS)] for name, value in {**NOT_READ, **READ}.items()})
    assert text_fields(shop) == ("size", "colour", "model", "brand", "category", "description")


def test_lists_are_read_and_a_catalogue_of_titles_has_no_fields() -> None:
    assert text_fields(catalogue()) == ()
    tags = pa.array([["soft", COLOURS[row % 3]] for row in range(ROWS)], pa.list_(pa.string()))
    assert text_fields(catalogue(tags=tags)) == ("tags",)


def with_fields(fields: object) -> Recipe:
    content = small("bibert").model_dump(mode="json", exclude_none=True)
    content["bibert"]["fields"] = fields
    return Recipe.model_validate(content)


def test_a_recipe_says_which_fields() -> None:
    shop = catalogue(brand=[f"Brand {'abc'[row % 3]}" for row in range(ROWS)], colour=["red", "blue"] * 60)
    assert chosen_fields(with_fields([]), shop) == ()
    assert chosen_fields(with_fields(["brand"]), shop) == ("brand",)
    assert chosen_fields(with_fields("text"), shop) == ("colour", "brand")
    assert chosen_fields(small("3tmm-mlp"), shop) == ()  # its tower is from an earlier fit


def test_a_field_that_the_catalogue_lacks_is_named() -> None:
    message = r"recipe bibert reads brand, maker of products, and catalog.parquet has no such column of text; change"
    with pytest.raises(RecipeError, match=message):
        chosen_fields(with_fields(["brand", "maker"]), catalogue())
    with pytest.raises(RecipeError, match=r"recipe bibert: catalog.parquet: .*column price is double"):
        chosen_fields(with_fields(["price"]), catalogue())
