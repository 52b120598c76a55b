"""Descriptions of attribute columns, from which clients can offer filters."""

from dataclasses import dataclass
from typing import Literal

OFFERED_VALUES = 50  # most frequent values that the description of a text column lists


@dataclass(frozen=True)
class ColumnDescription:
    """An attribute column of the served products.

    Attributes:
        name: the column's name.
        kind: the type of its values; `other` for columns that filters cannot use.
        values: for a text column, its most frequent values with their numbers of products, the most frequent first.
        distinct: for a text column, how many distinct values it has.
        least: for a number column, its smallest number; None if it holds no finite number.
        most: for a number column, its largest number; None if it holds no finite number.
    """

    name: str
    kind: Literal["text", "number", "boolean", "other"]
    values: tuple[tuple[str, int], ...] = ()
    distinct: int = 0
    least: float | None = None
    most: float | None = None
