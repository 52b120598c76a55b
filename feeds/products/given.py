"""Values of columns as they are given: without placeholders and markup, lists as lists."""

from collections.abc import Callable, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from feeds.staging import LIST_MARK, StagedRows
from feeds.values.texts import MAYBE_MARKUP
from feeds.values.words import NOTHING

_NOTHING = pa.array(sorted(NOTHING))
_NO_NUMBER = pa.array(sorted(NOTHING - {"nan"}))


def given(rows: StagedRows, column: str) -> pa.Array:
    """Return the values of a column; null where there is none, or a placeholder such as N/A."""
    return _without(_NOTHING, rows.column(column))


def given_numbers(rows: StagedRows, column: str) -> pa.Array:
    """Return the values of a column as `given` does, but keep NaN: a number that went wrong, which a shop must know."""
    return _without(_NO_NUMBER, rows.column(column))


def _without(nothing: pa.Array, values: pa.Array) -> pa.Array:
    is_nothing = pc.is_in(pc.utf8_lower(values), value_set=nothing)
    return pc.if_else(is_nothing, pa.scalar(None, pa.string()), values)


def texts(rows: StagedRows, column: str, plain: Callable[[str], str]) -> pa.Array:
    """Return the values of a column without markup.

    Args:
        rows: the rows.
        column: name of the column.
        plain: returns a text without markup.
    """
    values = given(rows, column)
    marked = pc.match_substring_regex(values, MAYBE_MARKUP)
    if not pc.any(marked).as_py():
        return values
    cleaned = [plain(value.replace(LIST_MARK, ", ")) or None for value in values.filter(marked).to_pylist()]
    return pc.replace_with_mask(values, pc.fill_null(marked, False), pa.array(cleaned, pa.string()))


def joined_lists(rows: StagedRows, columns: Sequence[str], split: Callable[[str], list[str]]) -> list[list[str]]:
    """Return the values of columns that hold lists, one list for each row, each value once.

    Args:
        rows: the rows.
        columns: columns whose values are put one after the other.
        split: returns the values of a text that is no list yet.
    """
    lists: list[list[str]] = [[] for _ in range(len(rows))]
    for column in columns:
        known: dict[str, list[str]] = {}
        for into, text in zip(lists, given(rows, column).to_pylist(), strict=True):
            if text is None:
                continue
            values = known.get(text)
            if values is None:
                parts = text.split(LIST_MARK) if LIST_MARK in text else [text]
                values = known[text] = [value for part in parts for value in split(part) if value]
            into += [value for value in values if value not in into]
    return lists
