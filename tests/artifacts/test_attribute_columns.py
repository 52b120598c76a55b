"""Attribute columns as filters use them: kind, values and which rows have one. Filters themselves: tests/service."""

import decimal

import numpy as np
import pyarrow as pa
import pytest

from artifacts.attribute_columns import (
    BooleanValues,
    NumberValues,
    OtherValues,
    TextValues,
    attribute_names,
    filter_kind,
    read_attribute,
)
from artifacts.errors import FormatError

TEXTS = ["red", None, "blue", "red"]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (pa.string(), "text"),
        (pa.large_string(), "text"),
        (pa.string_view(), "text"),
        (pa.dictionary(pa.int8(), pa.string()), "text"),
        (pa.bool_(), "boolean"),
        (pa.uint8(), "number"),
        (pa.float16(), "number"),
        (pa.decimal128(9, 2), "number"),
        (pa.dictionary(pa.int8(), pa.float64()), "number"),
        (pa.null(), "other"),
        (pa.date32(), "other"),
        (pa.list_(pa.string()), "other"),
    ],
)
def test_each_type_has_its_kind(kind: pa.DataType, expected: str) -> None:
    assert filter_kind(kind) == expected


def test_id_title_and_image_are_no_attributes() -> None:
    schema = pa.schema([(name, pa.string()) for name in ("price", "title", "image", "product_id", "a")])
    assert attribute_names(schema) == ["price", "a"]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string())])
def test_texts_are_codes(kind: pa.DataType) -> None:
    read = read_attribute("colour", pa.chunked_array([pa.array(TEXTS[:2], kind), pa.array(TEXTS[2:], kind)]))
    assert isinstance(read, TextValues)
    words = [*read.distinct.to_pylist(), None]
    assert [words[code] for code in read.codes] == TEXTS


def test_numbers_and_flags_have_a_placeholder_where_they_have_no_value() -> None:
    prices = read_attribute("price", pa.chunked_array([pa.array([decimal.Decimal("19.99"), None])]))
    assert isinstance(prices, NumberValues)
    assert (prices.values.tolist(), prices.values.dtype, prices.present.tolist()) == (
        [19.99, 0],
        np.float64,
        [True, False],
    )
    flags = read_attribute("sold", pa.chunked_array([pa.array([None, True])]))
    assert isinstance(flags, BooleanValues)
    assert (flags.values.tolist(), flags.present.tolist()) == ([False, True], [False, True])


def test_a_type_without_filters_is_named() -> None:
    read = read_attribute("tags", pa.chunked_array([pa.array([["a"]])]))
    assert read == OtherValues("list<item: string>")


def test_text_that_is_none_is_refused_with_its_column() -> None:
    broken = pa.array([b"\xff"]).view(pa.string())
    with pytest.raises(FormatError, match=r"^column colour of the products cannot be used by filters: Invalid UTF8"):
        read_attribute("colour", pa.chunked_array([broken]))
