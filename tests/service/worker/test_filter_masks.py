"""Filters over columns, compared with the same filters in plain Python."""

import datetime
import decimal
from collections import Counter
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from service.core.errors import FilterError
from service.protocol.columns import OFFERED_VALUES
from service.protocol.filters import parse_filters
from service.worker.filter_masks import FilterColumns

ROWS = 200
GENERATOR = np.random.default_rng(0)


def column(values: list[object], nulls: int = 7) -> list[object]:
    """Values drawn at random, every `nulls`-th one null."""
    drawn = GENERATOR.integers(0, len(values), ROWS).tolist()
    return [None if row % nulls == 0 else values[choice] for row, choice in enumerate(drawn)]


COLUMNS: dict[str, list[object]] = {
    "colour": column(["red", "blue", "green", "", 'say "hi"', "grün"]),
    "price": column([9.99, 10.0, 19.99, 50.0, -1.0]),
    "stock": column([0, 1, 2, 2**40]),
    "in_stock": column([True, False]),
}
TABLE = pa.table(
    {
        "product_id": [str(row) for row in range(ROWS)],
        "title": ["t"] * ROWS,
        "image": ["i"] * ROWS,
        "colour": COLUMNS["colour"],
        "kind": pa.array(COLUMNS["colour"]).dictionary_encode(),
        "price": pa.array(COLUMNS["price"], pa.float64()),
        "price32": pa.array(COLUMNS["price"], pa.float32()),
        "cost": pa.array(
            [None if price is None else decimal.Decimal(f"{price:.2f}") for price in COLUMNS["price"]],
            pa.decimal128(9, 2),
        ),
        "stock": pa.array(COLUMNS["stock"], pa.int64()),
        "few": pa.array([row % 3 for row in range(ROWS)], pa.uint8()),
        "in_stock": COLUMNS["in_stock"],
        "tags": [["a"]] * ROWS,
        "since": [datetime.date(2026, 1, 1)] * ROWS,
        "nothing": pa.nulls(ROWS, pa.string()),
    }
)
FILTER_COLUMNS = FilterColumns(pa.concat_tables([TABLE.slice(0, 77), TABLE.slice(77)]))  # columns in two chunks

Claim = Callable[[object], bool]


@pytest.mark.parametrize(
    ("filters", "source", "claim"),
    [
        ({"colour": "red"}, "colour", lambda v: v == "red"),
        ({"colour": ["red", "grün"]}, "colour", lambda v: v in ("red", "grün")),
        ({"colour": ""}, "colour", lambda v: v == ""),
        ({"colour": 'say "hi"'}, "colour", lambda v: v == 'say "hi"'),
        ({"colour": "mauve"}, "colour", lambda v: False),
        ({"kind": ["blue", "mauve"]}, "colour", lambda v: v == "blue"),
        ({"price": 19.99}, "price", lambda v: v == 19.99),
        ({"price": 10}, "price", lambda v: v == 10),
        ({"price": [10, 50]}, "price", lambda v: v in (10, 50)),
        ({"price": {"gte": 10, "lt": 50}}, "price", lambda v: 10 <= v < 50),
        ({"price": {"gt": 10, "lte": 50}}, "price", lambda v: 10 < v <= 50),
        ({"price": {"gt": 50, "lt": 10}}, "price", lambda v: False),
        ({"price32": 19.99}, "price", lambda v: v == 19.99),
        ({"price32": {"gte": 19.99}}, "price", lambda v: v >= 19.99),
        ({"price32": {"lt": 1e300}}, "price", lambda v: True),
        ({"cost": {"lte": 19.99}}, "price", lambda v: v <= 19.99),
        ({"price": {"gt": -(10**400), "lt": 10**400}}, "price", lambda v: True),
        ({"price32": [10**400, 10]}, "price", lambda v: v == 10),
        ({"stock": {"gt": 10**400}}, "stock", lambda v: False),
        ({"stock": 0}, "stock", lambda v: v == 0),
        ({"stock": 2**40}, "stock", lambda v: v == 2**40),
        ({"stock": {"lt": 10**30, "gt": 0.5}}, "stock", lambda v: v > 0.5),
        ({"stock": [1.5, 2]}, "stock", lambda v: v == 2),
        ({"stock": -(10**30)}, "stock", lambda v: False),
        ({"in_stock": True}, "in_stock", lambda v: v is True),
        ({"in_stock": False}, "in_stock", lambda v: v is False),
        ({"in_stock": [True, False]}, "in_stock", lambda v: True),
        ({"nothing": "x"}, "colour", lambda v: False),
    ],
)
def test_one_condition(filters: dict[str, object], source: str, claim: Claim) -> None:
    expected = [value is not None and claim(value) for value in COLUMNS[source]]
    mask = FILTER_COLUMNS.mask(parse_filters(filters))
    assert mask.dtype == np.bool_
    assert mask.tolist() == expected


def test_small_unsigned_numbers() -> None:
    assert FILTER_COLUMNS.mask(parse_filters({"few": {"gt": -1, "lt": 300}})).all()
    assert FILTER_COLUMNS.mask(parse_filters({"few": 2})).tolist() == [row % 3 == 2 for row in range(ROWS)]


def test_all_conditions_must_hold() -> None:
    mask = FILTER_COLUMNS.mask(parse_filters({"colour": "red", "price": {"gte": 10}, "in_stock": True}))
    rows = zip(COLUMNS["colour"], COLUMNS["price"], COLUMNS["in_stock"], strict=True)
    expected = [c == "red" and p is not None and p >= 10 and s is True for c, p, s in rows]  # type: ignore[operator]
    assert 0 < sum(expected) < ROWS
    assert mask.tolist() == expected


def test_no_condition_lets_all_pass() -> None:
    assert FILTER_COLUMNS.mask(()).all()


KNOWN = "colour, kind, price, price32, cost, stock, few, in_stock, tags, since, nothing"


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({"size": 1}, f"filters.size names no attribute column; the served products have: {KNOWN}"),
        ({"title": "t"}, f"filters.title names no attribute column; the served products have: {KNOWN}"),
        ({"colour": 5}, "filters.colour is 5: expected text"),
        ({"colour": ["red", True]}, "filters.colour is true: expected text"),
        ({"colour": {"gte": 1}}, "filters.colour is a range, but the column holds no numbers: expected text"),
        ({"price": "9.99"}, 'filters.price is "9.99": expected a number'),
        ({"price": True}, "filters.price is true: expected a number"),
        ({"in_stock": 1}, "filters.in_stock is 1: expected true or false"),
        (
            {"in_stock": {"gte": 1}},
            "filters.in_stock is a range, but the column holds no numbers: expected true or false",
        ),
        (
            {"since": "2026-01-01"},
            "filters.since cannot be used: the column holds date32[day], "
            "and filters support text, numbers and true or false",
        ),
    ],
)
def test_faults(filters: dict[str, object], message: str) -> None:
    with pytest.raises(FilterError) as caught:
        FILTER_COLUMNS.mask(parse_filters(filters))
    assert str(caught.value) == message


def test_a_list_column_cannot_be_used() -> None:
    with pytest.raises(FilterError, match=r"filters\.tags cannot be used: the column holds list<"):
        FILTER_COLUMNS.mask(parse_filters({"tags": "a"}))


def test_columns_are_described() -> None:
    described = {column.name: column for column in FILTER_COLUMNS.descriptions}
    assert list(described) == [name for name in TABLE.column_names if name not in ("product_id", "title", "image")]
    for name in ("colour", "kind"):
        counts = Counter(value for value in COLUMNS["colour"] if value is not None)
        assert dict(described[name].values) == counts
        assert [count for _, count in described[name].values] == sorted(counts.values(), reverse=True)
        assert (described[name].kind, described[name].distinct) == ("text", len(counts))
    for name in ("price", "price32", "cost", "stock", "few"):
        column = TABLE[name].drop_null().to_pylist()
        assert described[name].kind == "number"
        assert described[name].least == pytest.approx(float(min(column)))
        assert described[name].most == pytest.approx(float(max(column)))
    assert described["in_stock"].kind == "boolean"
    assert described["nothing"].values == () and described["nothing"].distinct == 0
    assert [described[name].kind for name in ("tags", "since")] == ["other", "other"]


def test_columns_of_odd_values_are_described() -> None:
    odd = pa.table(
        {
            "many": [f"value {row % 60}" for row in range(300)],
            "holes": pa.array([float("nan"), 2.0, float("inf")] + [None] * 297),
            "none": pa.nulls(300, pa.float64()),
        }
    )
    many, holes, none = FilterColumns(odd).descriptions
    assert (len(many.values), many.distinct) == (OFFERED_VALUES, 60)
    assert (holes.least, holes.most) == (2.0, 2.0)
    assert (none.kind, none.least, none.most) == ("number", None, None)
