"""Filters of a search: what a request says, as records, before any column is known.

    {"category": "shoes", "price": {"gte": 10, "lt": 50}, "colour": ["red", "blue"], "in_stock": true}

All conditions must hold. `service/worker/filter_masks.py` applies them to columns.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass

from service.core.errors import FilterError

Scalar = str | bool | int | float

MAX_VALUES = 100  # of one list
RANGE_OPERATORS = ("gte", "gt", "lte", "lt")
_FORMS = 'text, a number, true or false, a list of these, or a range such as {"gte": 10, "lt": 50}'
_SHOWN_CHARS = 80  # of a value, in a message


@dataclass(frozen=True)
class OneOf:
    """The column holds one of these values."""

    column: str
    values: tuple[Scalar, ...]


@dataclass(frozen=True)
class Range:
    """The column lies within these bounds, each an operator of `RANGE_OPERATORS` and a number."""

    column: str
    bounds: tuple[tuple[str, int | float], ...]


Condition = OneOf | Range
Filters = tuple[Condition, ...]  # and-combined; empty lets every product pass


def parse_filters(filters: Mapping[str, object] | None) -> Filters:
    """The conditions of a request's `filters`.

    Raises:
        FilterError: Naming the first column whose condition is none of the known forms.
    """
    return tuple(_parse(column, condition) for column, condition in (filters or {}).items())


def show_value(value: object) -> str:
    """A value as the caller wrote it, in JSON, cut where it is long."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    # Lone surrogates cannot be sent back; everything else can.
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
                f"filters.{column}.{operator} is no range operator: expected {', '.join(RANGE_OPERATORS)}"
            )
        if not _is_number(bound):
            raise FilterError(f"filters.{column}.{operator} is {show_value(bound)}: expected a number")
    return Range(column, tuple((operator, bounds[operator]) for operator in bounds))  # type: ignore[misc]


def _scalar(name: str, value: object) -> Scalar:
    if isinstance(value, bool) or _is_text(value) or _is_number(value):
        return value  # type: ignore[return-value]
    raise FilterError(f"{name} is {show_value(value)}: expected {_FORMS}")


def _is_text(value: object) -> bool:
    """Whether it is text that UTF-8 can hold: JSON as Python reads it also has lone surrogates."""
    return isinstance(value, str) and not any("\ud800" <= character <= "\udfff" for character in value)


def _is_number(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)  # JSON as Python reads it also has NaN and Infinity
    return isinstance(value, int) and not isinstance(value, bool)
