"""What a text tower reads of a product: its title, and further fields after their markers."""

from pathlib import Path

import pyarrow as pa
import pytest

from artifacts.errors import FormatError
from artifacts.product_text import (
    LONGEST_VALUE,
    can_be_field,
    check_fields,
    marked_values,
    plain_values,
    product_texts,
    text_columns,
)

PRODUCTS = pa.table(
    {
        "product_id": ["a", "b", "c", "d"],
        "title": ["Red  mug\n", None, " ", "Pan"],
        "sub_category": ["Kitchen \n ware", "N/A", None, "Kitchen ware"],
        "tags": pa.array([["gift", " ", None], None, ["blue", "2 l"], []], pa.list_(pa.string())),
        "price": [1.0, 2.0, 3.0, 4.0],
    }
)


def test_without_fields_the_text_is_the_title_byte_for_byte() -> None:
    assert product_texts(PRODUCTS, []) == ["Red  mug\n", "", " ", "Pan"]


def test_fields_follow_the_title_after_their_markers_and_nothing_stands_for_what_is_missing() -> None:
    assert product_texts(PRODUCTS, ["sub_category", "tags", "brand"]) == [
        "Red  mug\n\nsub category: Kitchen ware\ntags: gift",
        "",
        " \ntags: blue, 2 l",
        "Pan\nsub category: Kitchen ware",
    ]
    assert product_texts(PRODUCTS, ["tags"])[0] == "Red  mug\n\ntags: gift"


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
def test_texts_of_every_type_read_alike_in_tables_chunks_and_batches(kind: pa.DataType) -> None:
    column = PRODUCTS["sub_category"].cast(kind)
    table = PRODUCTS.set_column(2, "sub_category", column)
    wanted = product_texts(PRODUCTS, ["sub_category"])
    assert product_texts(table, ["sub_category"]) == wanted
    assert product_texts(pa.concat_tables([table.slice(0, 1), table.slice(1)]), ["sub_category"]) == wanted
    (batch,) = table.combine_chunks().to_batches()
    assert product_texts(batch.slice(1, 2), ["sub_category"]) == wanted[1:3]
    assert product_texts(table.slice(0, 0), ["sub_category"]) == []


def test_what_was_read_once_reads_the_same_again() -> None:
    long = pa.array(["a\u3000b \t c" + " x" * LONGEST_VALUE, " -- ", None])
    once = plain_values(long)
    assert once.to_pylist()[1:] == [None, None]
    assert len(once[0].as_py()) <= LONGEST_VALUE and once[0].as_py().startswith("a\u3000b c x x")
    assert plain_values(once) == once


def test_a_marker_is_the_name_of_the_column_in_plain_words() -> None:
    table = pa.table({"title": ["Pan"], "Brand_Name ": ["Acme"]})
    assert marked_values(table, "Brand_Name ").to_pylist() == ["brand name: Acme"]


def test_only_texts_and_lists_of_them_can_be_fields() -> None:
    texts = (pa.string(), pa.large_string(), pa.null(), pa.list_(pa.string()), pa.dictionary(pa.int8(), pa.string()))
    assert all(map(can_be_field, texts))
    others = (pa.int64(), pa.bool_(), pa.list_(pa.int64()), pa.struct([("a", pa.string())]), pa.timestamp("s"))
    assert not any(map(can_be_field, others))


def test_a_missing_column_is_told_and_one_of_another_type_is_an_error() -> None:
    path = Path("catalog.parquet")
    assert check_fields(path, PRODUCTS.schema, ["tags"]) is None
    assert check_fields(path, PRODUCTS.schema, ["tags", "brand"]) == (
        "catalog.parquet has no column brand, which the model reads; products are encoded without this field"
    )
    assert "no column brand, gender, which" in str(check_fields(path, PRODUCTS.schema, ["brand", "gender"]))
    with pytest.raises(FormatError, match=r"text or lists of texts, but column price is double; write it as text"):
        check_fields(path, PRODUCTS.schema, ["brand", "price"])
    assert text_columns(PRODUCTS.schema, ["tags", "brand"]) == ["title", "tags"]
