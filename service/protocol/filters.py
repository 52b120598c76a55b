"""The filters of a search as records, parsed from a request before any column is known.

    {"category": "shoes", "price": {"gte": 10, "lt": 50}, "colour": ["red", "blue"], "in_stock": true}

A product must meet all conditions. `service/worker/filter_masks.py` applies them to the columns of a version.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass

from service.core.errors import FilterError

Scalar = str | bool | int | float

MAX_VALUES = 100  # in one list of values
RANGE_OPERATORS = ("gte", "gt", "lte", "lt")
_FORMS = 'text, a number, true or false, a list of these, or a range such as {"gte": 10, "lt": 50}'
_SHOWN_CHARS = 80  # of a value that an error message quotes


@dataclass(frozen=True)
class OneOf:
    """The condition that a column holds one of these values."""

    column: str
    values: tuple[Scalar, ...]


@dataclass(frozen=True)
class Range:
    """The condition that a number lies within bounds, each one of `RANGE_OPERATORS` and a number."""

    column: str
    bounds: tuple[tuple[str, int | float], ...]


Condition = OneOf | Range
Filters = tuple[Condition, ...]  # a product must meet all of them; without any, every product matches


def parse_filters(filters: Mapping[str, object] | None) -> Filters:
    """Parse the `filters` of a request.

    Raises:
        FilterError: a condition has none of the known forms; the message names its column.
    """
    return tuple(_parse(column, condition) for column, condition in (filters or {}).items())


def show_value(value: object) -> str:
    """Return a value as JSON, the way the caller wrote it, truncated if it is long."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except RecursionError:
        return "a value nested too deep to be shown"
    # Lone surrogates cannot be encoded in the answer.
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}..."


def _parse(column: str, condition: object) -> Condition:
    if isinstance(condition, dict):
        return _parse_range(column, condition)
    if isinstance(condition, list):
        if not 1 <= len(condition) <= MAX_VALUES:
            raise FilterError(f"filters.{column} lists {len(condition)} values: expected 1 to {MAX_VALUES}")
        return OneOf(column, tuple(_scalar(f"filters.{column}", value) for value in condition))
    return OneOf(column, (_scalar(f"filters.{column}", condition),))


def _parse_range(column: str, bounds: Mapping[str, object]) -> Range:
    if not bounds:
        raise FilterError(f"filters.{column} is {{}}: expected bounds among {', '.join(RANGE_OPERATORS)}")
    for operator, bound in bounds.items():
        if operator not in RANGE_OPERATORS:
            raise FilterError(
                f"filters.{column}.{operator} is not a range operator: expected {', '.join(RANGE_OPERATORS)}"
            )
        if not _is_number(bound):
            raise FilterError(f"filters.{column}.{operator} is {show_value(bound)}: expected a number")
    return Range(column, tuple((operator, bounds[operator]) for operator in bounds))  # type: ignore[misc]


def _scalar(name: str, value: object) -> Scalar:
    if isinstance(value, bool) or _is_text(value) or _is_number(value):
        return value  # type: ignore[return-value]
    raise FilterError(f"{name} is {show_value(value)}: expected {_FORMS}")


def _is_text(value: object) -> bool:
    """Whether a value is text that UTF-8 can encode: Python's JSON parser also accepts lone surrogates."""
    return isinstance(value, str) and not any("\ud800" <= character <= "\udfff" for character in value)


def _is_number(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)  # Python's JSON parser also accepts NaN and Infinity
    return isinstance(value, int) and not isinstance(value, bool)
