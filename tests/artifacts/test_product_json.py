"""Products as JSON: a strict parser reads what is written, and what has no text is named by its column."""

import datetime
import json
import math
from typing import Any, NoReturn

import pyarrow as pa
import pytest

from artifacts.errors import FormatError
from artifacts.product_json import product_fragments

NAN = math.nan


def products(**attributes: Any) -> pa.Table:
    count = len(next(iter(attributes.values())))
    names = pa.array([f"p{row}" for row in range(count)])
    return pa.table({"product_id": names, "title": names, "image": pa.nulls(count, pa.string()), **attributes})


def parsed(table: pa.Table) -> list[dict[str, Any]]:
    """The products as JavaScript reads them, which knows no NaN."""

    def refuse(constant: str) -> NoReturn:
        raise AssertionError(f"{constant} is no JSON")

    fragments = [text for block in product_fragments(table) for text in block.to_pylist()]
    return [json.loads("{" + text, parse_constant=refuse) for text in fragments]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array([[NAN, 1.0], [math.inf], None]), [[None, 1.0], [None], None]),
        (pa.array([{"mean": NAN, "count": 0}, {"mean": 4.5, "count": 2}]), [
            {"mean": None, "count": 0}, {"mean": 4.5, "count": 2},
        ]),
        (pa.array([[{"sizes": [NAN]}], []]), [[{"sizes": [None]}], []]),
        (pa.array([[("a", NAN)], []], pa.map_(pa.string(), pa.float64())), [[["a", None]], []]),
        (pa.array([[NAN]], pa.list_(pa.float32())), [[None]]),
        (pa.array([NAN, 2.5], pa.float16()), [None, 2.5]),
        (pa.array([NAN, 2.5]).dictionary_encode(), [None, 2.5]),
    ],
)  # fmt: skip
def test_what_json_has_no_number_for_is_null_however_deep(values: pa.Array, expected: list[Any]) -> None:
    assert [product["x"] for product in parsed(products(x=values))] == expected


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (pa.array([datetime.datetime(2026, 1, 1)], pa.timestamp("us", "Foo/Bar")), "timestamp.*Foo/Bar"),
        (pa.array([[datetime.datetime(2026, 1, 1)]], pa.list_(pa.timestamp("us", "Foo/Bar"))), "list<.*Foo/Bar"),
        (pa.StructArray.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"]), "struct<.*duplicate field"),
        (pa.array([pa.MonthDayNano([1, 2, 3])]), "month_day_nano_interval"),
    ],
)
def test_what_has_no_text_is_named(values: pa.Array, reason: str) -> None:
    with pytest.raises(FormatError, match=f"^column x of the products, {reason}.*"):
        parsed(products(x=values))
