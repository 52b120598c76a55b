"""Filters as a request writes them."""

import json

import pytest

from service.core.errors import FilterError
from service.protocol.filters import OneOf, Range, parse_filters

FORMS = 'expected text, a number, true or false, a list of these, or a range such as {"gte": 10, "lt": 50}'


def test_every_form() -> None:
    filters = {
        "category": "shoes", "price": {"gte": 10, "lt": 50.5}, "colour": ["red", "blue"], "in_stock": True
    }  # fmt: skip
    assert parse_filters(filters) == (
        OneOf("category", ("shoes",)),
        Range("price", (("gte", 10), ("lt", 50.5))),
        OneOf("colour", ("red", "blue")),
        OneOf("in_stock", (True,)),
    )


@pytest.mark.parametrize("filters", [None, {}])
def test_none(filters: dict[str, object] | None) -> None:
    assert parse_filters(filters) == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": null}', f"filters.a is null: {FORMS}"),
        ('{"a": [null]}', f"filters.a is null: {FORMS}"),
        ('{"a": [["x"]]}', f'filters.a is ["x"]: {FORMS}'),
        ('{"a": "\\ud800"}', f'filters.a is "\\ud800": {FORMS}'),
        ('{"a": NaN}', f"filters.a is NaN: {FORMS}"),
        ('{"a": 1e999}', f"filters.a is Infinity: {FORMS}"),
        ('{"a": []}', "filters.a lists 0 values: expected 1 to 100"),
        (f'{{"a": {list(range(101))}}}', "filters.a lists 101 values: expected 1 to 100"),
        ('{"a": {}}', "filters.a is {}: expected bounds among gte, gt, lte, lt"),
        ('{"a": {"ge": 1}}', "filters.a.ge is not a range operator: expected gte, gt, lte, lt"),
        ('{"a": {"gte": "1"}}', 'filters.a.gte is "1": expected a number'),
        ('{"a": {"gte": true}}', "filters.a.gte is true: expected a number"),
        ('{"a": {"lt": null}}', "filters.a.lt is null: expected a number"),
        ('{"a": {"lt": NaN}}', "filters.a.lt is NaN: expected a number"),
    ],
)
def test_faults(text: str, message: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse_filters(json.loads(text))
    assert str(caught.value) == message


def test_a_value_nested_too_deep_for_python_is_a_fault_too() -> None:
    value: object = 1
    for _ in range(5000):
        value = [value]
    with pytest.raises(FilterError, match="is a value nested too deep to be shown"):
        parse_filters({"size": value})
