"""Filters drawn at random over a real socket, compared with the same filters in plain Python."""

import json
import math
import operator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.api.schemas import SearchResponse
from tests.service.running import Running
from tests.service.shop import COLOURS, KINDS, PRODUCTS, products

pytestmark = pytest.mark.integration
ROWS = products(PRODUCTS).to_pylist()
COMPARE = {"gte": operator.ge, "gt": operator.gt, "lte": operator.le, "lt": operator.lt}

texts = st.sampled_from([*COLOURS, *KINDS]) | st.text(max_size=5)
numbers = (
    st.sampled_from([row["price"] for row in ROWS if row["price"] is not None])
    | st.integers(-5, PRODUCTS + 5)
    | st.integers(-(10**30), 10**30)
    | st.sampled_from([10**400, -(10**400)])
    | st.floats(allow_nan=False, allow_infinity=False)
)
ranges = st.dictionaries(st.sampled_from(list(COMPARE)), numbers, min_size=1)


def one_of(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return values | st.lists(values, min_size=1, max_size=5)


good = st.fixed_dictionaries(
    {},
    optional={
        "category": one_of(texts),
        "colour": one_of(texts),
        "price": one_of(numbers) | ranges,
        "stock": one_of(numbers) | ranges,
        "in_stock": one_of(st.booleans()),
    },
)
any_text = st.text(st.characters(), max_size=8)  # lone surrogates, which JSON can carry, among it
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | any_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
any_column = st.sampled_from(["category", "colour", "price", "stock", "in_stock", "tags", "title"]) | any_text
drawn = settings(
    max_examples=250, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip


def meets(value: Any, condition: Any) -> bool:
    """Whether a product with this value passes; a null passes nothing."""
    if value is None:
        return False
    if isinstance(condition, dict):
        return all(COMPARE[name](value, bound) for name, bound in condition.items())
    wanted = condition if isinstance(condition, list) else [condition]
    return any(value == other for other in wanted)


@drawn
@given(filters=good, k=st.integers(1, 1000), offset=st.integers(0, 20))
def test_drawn_filters_find_what_python_finds(served: Running, filters: dict[str, Any], k: int, offset: int) -> None:
    k = min(k, 1000 - offset)
    passing = {row["product_id"] for row in ROWS if all(meets(row[name], filters[name]) for name in filters)}
    answer = served.search("red shoes", k=k, offset=offset, filters=filters)
    assert answer.status_code == 200, (filters, answer.text)
    found = SearchResponse.model_validate_json(answer.content)
    assert found.passing == (len(passing) if filters else None)
    ids = [hit.product_id for hit in found.hits]
    in_order = [hit["product_id"] for hit in served.search("red shoes").json()["hits"]]
    assert ids == [product_id for product_id in in_order if product_id in passing][offset : offset + k]


@drawn
@given(filters=st.dictionaries(any_column, json_values, max_size=3) | json_values)
def test_drawn_nonsense_is_refused_by_name_or_answered(served: Running, filters: Any) -> None:
    content = json.dumps({"query": "red shoes", "k": 3, "filters": filters})
    answer = served.client.post("/search", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code in (200, 422), (filters, answer.text)
    if answer.status_code == 200:
        found = SearchResponse.model_validate_json(answer.content)
        assert all(math.isfinite(hit.score) for hit in found.hits)
    else:
        assert "filters" in answer.json()["detail"]
