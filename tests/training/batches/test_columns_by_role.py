"""Columns of a catalogue by what they say of a product."""

import pyarrow as pa

from training.batches.columns_by_role import brand_column, categories, category_column, model_columns

PRODUCTS = pa.table(
    {
        "title": [f"t{row}" for row in range(40)],
        "category": ["Home", "Garden"] * 20,
        "Product Type": ["Home > Kitchen > Mugs", "Garden/Tools >", None, "  "] * 10,
        "type_code": [f"code {row}" for row in range(40)],
        "Brand": ["Oak"] * 40,
        "mpn": ["A1"] * 40,
        "sku": [1] * 40,
    }
)
FIELDS = ("category", "Product Type", "type_code", "Brand", "absent type")


def test_the_finest_column_that_is_named_so_and_repeats_has_the_categories() -> None:
    assert category_column(PRODUCTS, FIELDS) == "Product Type"
    assert category_column(PRODUCTS, ("Brand", "category")) == "category"
    assert category_column(PRODUCTS, ("Brand",)) is None


def test_of_a_path_the_end_is_the_category() -> None:
    assert categories(PRODUCTS, FIELDS)[:4] == ["mugs", "tools", None, None]
    assert set(categories(PRODUCTS, ())) == {None}


def test_brands_and_model_numbers_are_found_by_name() -> None:
    assert brand_column(FIELDS) == "Brand" and brand_column(("category",)) is None
    assert model_columns(PRODUCTS) == ["mpn"]  # a number is no text
