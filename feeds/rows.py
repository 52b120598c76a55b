"""Rows of a feed, as every format gives them and every platform rewrites them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

# A list has several values of one column, such as photos. Numbers and booleans come only from formats that have types.
Cell = str | int | float | bool | list[str] | None


@dataclass(frozen=True, slots=True)
class Row:
    """One product of a feed, or what may be one.

    Attributes:
        line: where it begins, from 1: a line of a text file, a row of a sheet or of a Parquet file.
        cells: the values by column; a column without a value may be missing.
    """

    line: int
    cells: dict[str, Cell]


@dataclass(frozen=True, slots=True)
class Fault:
    """Something in a feed that is no product, and why.

    Attributes:
        line: where it begins, as in `Row`.
        reason: one of a fixed set of phrases, by which faults are counted.
        value: what stands there, shortened.
        kind: "unusable" where the row should have been a product; "left out" where the feed says that it is not for
            sale; "note" where nothing was lost but a person may want to know.
        row: the row nevertheless, for faults that may turn out to be the habit of the whole feed.
    """

    line: int
    reason: str
    value: str = ""
    kind: Literal["unusable", "left out", "note"] = "unusable"
    row: Row | None = None


Entry = Row | Fault


@dataclass(frozen=True)
class Feed:
    """A feed that has been opened.

    Attributes:
        format: name of its format, such as "CSV".
        details: what was found out about it for the report, such as its encoding and delimiter.
        columns: columns in the order of the feed, as far as they are known before it is read.
        entries: its rows and faults; can be iterated once.
    """

    format: str
    details: dict[str, str]
    columns: list[str]
    entries: Iterator[Entry]


def shortened(value: object, most: int = 120) -> str:
    """Return a value as text of at most `most` characters in one line."""
    text = " ".join(str(value).split())
    return text if len(text) <= most else f"{text[: most - 3]}..."


def only_rows(entries: Iterable[Entry]) -> Iterator[Row]:
    """Yield the rows among entries."""
    return (entry for entry in entries if isinstance(entry, Row))
