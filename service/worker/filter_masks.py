"""Filters applied to the attribute columns of the served products: a boolean mask over all rows.

A row whose value is null meets no condition on that column.
"""

import math
import operator
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from artifacts.attribute_columns import (
    BooleanValues,
    NumberValues,
    OtherValues,
    TextValues,
    attribute_names,
    read_attribute,
)
from service.core.errors import FilterError
from service.protocol.columns import OFFERED_VALUES, ColumnDescription
from service.protocol.filters import Condition, Filters, OneOf, Range, Scalar, show_value

Mask = npt.NDArray[np.bool_]  # shape (count,): whether each row matches

_LARGEST_FLOAT = int(sys.float_info.max)
_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "gte": operator.ge,
    "gt": operator.gt,
    "lte": operator.le,
    "lt": operator.lt,
}


class _Column(Protocol):
    def matches(self, condition: Condition) -> Mask:
        """Return which rows meet a condition; FilterError if the condition does not fit the column."""

    def describe(self, name: str) -> ColumnDescription:
        """Return what clients need to know of the column."""


class FilterColumns:
    """The attribute columns of a version's products, which filters can name.

    Args:
        products: all products; every column besides product_id, title and image is an attribute.

    Attributes:
        descriptions: what each column holds, in the order of the columns.

    Raises:
        FormatError: the values of a column cannot be read.
    """

    def __init__(self, products: pa.Table) -> None:
        self._count: int = products.num_rows
        self._columns: Mapping[str, _Column] = {
            name: _read_column(name, products[name]) for name in attribute_names(products.schema)
        }
        self.descriptions = tuple(column.describe(name) for name, column in self._columns.items())

    def mask(self, filters: Filters) -> Mask:
        """Return which rows meet all conditions.

        Raises:
            FilterError: a condition names no column, or does not fit its column.
        """
        mask = np.ones(self._count, dtype=np.bool_)
        for condition in filters:
            mask &= self._column(condition.column).matches(condition)
        return mask

    def _column(self, name: str) -> _Column:
        if name not in self._columns:
            known = ", ".join(self._columns) or "none"
            raise FilterError(f"filters.{name} names no attribute column; the served products have: {known}")
        return self._columns[name]


def _read_column(name: str, column: pa.ChunkedArray) -> _Column:
    match read_attribute(name, column):
        case TextValues(codes, distinct):
            return _TextColumn(codes, distinct)
        case BooleanValues(values, present):
            return _BooleanColumn(values, present)
        case NumberValues(values, present):
            return _NumberColumn(values, present)
        case OtherValues(kind):
            return _OtherColumn(kind)


@dataclass(frozen=True, eq=False)
class _TextColumn:
    """Text, stored as codes, which are positions in the list of distinct values; -1 stands for null."""

    codes: npt.NDArray[np.int32]
    distinct: pa.Array

    def matches(self, condition: Condition) -> Mask:
        values = _values_of_type(condition, str, "text")
        wanted = np.zeros(len(self.distinct) + 1, dtype=np.bool_)  # the last one, to which code -1 points, stays False
        wanted[:-1] = pc.is_in(self.distinct, value_set=pa.array(values, pa.large_string())).to_numpy(
            zero_copy_only=False
        )
        mask: Mask = wanted[self.codes]
        return mask

    def describe(self, name: str) -> ColumnDescription:
        counts = np.bincount(self.codes[self.codes >= 0], minlength=len(self.distinct))
        offered = np.argsort(-counts, kind="stable")[:OFFERED_VALUES]
        values = zip(self.distinct.take(pa.array(offered)).to_pylist(), counts[offered].tolist(), strict=True)
        return ColumnDescription(name, "text", values=tuple(values), distinct=len(self.distinct))


@dataclass(frozen=True, eq=False)
class _BooleanColumn:
    values: Mask
    present: Mask

    def matches(self, condition: Condition) -> Mask:
        wanted = set(_values_of_type(condition, bool, "true or false"))
        if len(wanted) == 2:
            return self.present
        mask: Mask = (self.values == wanted.pop()) & self.present
        return mask

    def describe(self, name: str) -> ColumnDescription:
        return ColumnDescription(name, "boolean")


@dataclass(frozen=True, eq=False)
class _NumberColumn:
    """Numbers in the type that the file has. Bounds are rounded to it, so that 19.99 equals a float32 of 19.99."""

    values: npt.NDArray[Any]
    present: Mask

    def matches(self, condition: Condition) -> Mask:
        with np.errstate(over="ignore"):  # a bound beyond float32 becomes infinite, which is right
            if isinstance(condition, Range):
                return self._in_range(condition)
            mask = np.zeros(len(self.values), dtype=np.bool_)
            for value in _values_of_type(condition, (int, float), "a number"):
                mask |= self.values == _comparable(value)
        return mask & self.present

    def _in_range(self, condition: Range) -> Mask:
        mask = self.present.copy()
        for name, bound in condition.bounds:
            mask &= _COMPARISONS[name](self.values, _comparable(bound))
        return mask

    def describe(self, name: str) -> ColumnDescription:
        numbers = self.values[self.present & np.isfinite(self.values)]
        if not len(numbers):
            return ColumnDescription(name, "number")
        return ColumnDescription(name, "number", least=float(numbers.min()), most=float(numbers.max()))


@dataclass(frozen=True)
class _OtherColumn:
    """A column whose type no filter supports."""

    kind: str

    def matches(self, condition: Condition) -> Mask:
        raise FilterError(
            f"filters.{condition.column} cannot be used: the column holds {self.kind}, "
            "and filters support text, numbers and true or false"
        )

    def describe(self, name: str) -> ColumnDescription:
        return ColumnDescription(name, "other")


def _comparable(number: Scalar) -> Scalar:
    """Return the number, or infinity for an integer beyond all floats, which numpy cannot compare with floats."""
    if isinstance(number, int) and abs(number) > _LARGEST_FLOAT:
        return math.inf if number > 0 else -math.inf
    return number


def _values_of_type(condition: Condition, kind: type | tuple[type, ...], expected: str) -> tuple[Scalar, ...]:
    """Return the values of an equality condition after checking that each has the type of the column."""
    if not isinstance(condition, OneOf):
        raise FilterError(
            f"filters.{condition.column} is a range, but the column holds no numbers: expected {expected}"
        )
    for value in condition.values:
        # In Python, True is a number too; in a filter it is not.
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise FilterError(f"filters.{condition.column} is {show_value(value)}: expected {expected}")
    return condition.values
