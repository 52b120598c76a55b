"""What an attribute column holds, told to those who choose filters by it."""

from dataclasses import dataclass
from typing import Literal

OFFERED_VALUES = 50  # of a text column, the most frequent ones


@dataclass(frozen=True)
class ColumnDescription:
    """An attribute column of the served products.

    Attributes:
        name: Of the column.
        kind: `other` for columns that filters cannot use.
        values: Of a text column the most frequent values with their number of products, the most frequent first.
        distinct: Of a text column, how many values it has.
        least: Of a number column; None where it has no numbers.
        most: As `least`.
    """

    name: str
    kind: Literal["text", "number", "boolean", "other"]
    values: tuple[tuple[str, int], ...] = ()
    distinct: int = 0
    least: float | None = None
    most: float | None = None
