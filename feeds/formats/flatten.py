"""Nested values as columns that are named by their path."""

import math
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from feeds.rows import Cell

_DEEPEST = 6  # levels; what lies deeper is left out
_PATH_MARK = " > "


def flatten(value: Mapping[str, Any]) -> dict[str, Cell]:
    """Return the values of an object by path: {"price": {"amount": 5}} gives {"price.amount": 5}.

    Lists of plain values stay lists of texts. A list in a list is a path, such as that of a category: its values are
    joined by " > ". Of a list of objects each field is a list.
    """
    cells: dict[str, Cell] = {}
    _flatten_into(cells, "", value, 0)
    return cells


def plain_cell(value: Any) -> Cell:
    """Return a single value of any library as a cell: dates as ISO text, decimals as text, NaN as no value."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            if not math.isfinite(value):
                return None
            return int(value) if value.is_integer() and abs(value) < 2**53 else value
        case Decimal():
            return float(value) if value.is_finite() else None
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta():
            return str(value)
        case bytes():
            return value.decode("utf-8", errors="replace")
    return str(value)


def _flatten_into(cells: dict[str, Cell], path: str, value: Any, depth: int) -> None:
    match value:
        case Mapping():
            if depth < _DEEPEST:
                for key, inner in value.items():
                    _flatten_into(cells, f"{path}.{key}" if path else str(key), inner, depth + 1)
        case list() | tuple():
            _list_into(cells, path, value, depth)
        case _:
            cells[path] = plain_cell(value)


def _list_into(cells: dict[str, Cell], path: str, values: list[Any] | tuple[Any, ...], depth: int) -> None:
    objects = [value for value in values if isinstance(value, Mapping)]
    if objects and depth < _DEEPEST:
        gathered: dict[str, list[str]] = {}
        for entry in objects:
            for key, inner in flatten(entry).items():
                gathered.setdefault(f"{path}.{key}", []).extend(_texts(inner))
        cells.update(gathered)
    plain = [_text(value) for value in values if not isinstance(value, Mapping)]
    if plain or not objects:
        cells[path] = [text for text in plain if text]


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return _PATH_MARK.join(filter(None, (_text(inner) for inner in value)))
    cell = plain_cell(value)
    return "" if cell is None else str(cell)


def _texts(cell: Cell) -> list[str]:
    if isinstance(cell, list):
        return cell
    return [] if cell is None else [str(cell)]
