"""Finds out which column of a feed is which field of a product."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from feeds.columns.fields import CATEGORY_LEVELS, FIELDS, LIST_PRICES, comparable, field_of
from feeds.values.identifiers import read_gtin
from feeds.values.money import Money, read_money

_IMAGE = re.compile(
    r"(?:https?:)?//\S+\.(?:jpe?g|png|webp|gif|avif)\b|[^\s:?*<>|]+\.(?:jpe?g|png|webp|gif|avif|tiff?)", re.I
)
_NUMBERED_IMAGE = re.compile(
    r"(?:alt|alternate|additional|extra|product|gallery)?(?:image|img|picture|photo|bild|foto)(?:url|link|src)?(\d+)(?:url|link|src)?"
)
_MOSTLY = 0.8
_LONGEST_TITLE = 150  # characters
_LIST_PRICES = frozenset(map(comparable, LIST_PRICES))


@dataclass(frozen=True)
class Recognised:
    """The columns of one field.

    Attributes:
        field: name of the field.
        columns: its columns; several are levels of one path, or photos of one product.
        by: how it was found.
    """

    field: str
    columns: tuple[str, ...]
    by: Literal["name", "content", "map"]


def recognise(
    columns: Sequence[str],
    samples: Mapping[str, Sequence[str]],
    chosen: Mapping[str, Sequence[str]],
    is_unique: Callable[[str], bool],
) -> list[Recognised]:
    """Return which columns of a feed are fields of a product; all others are attributes.

    Args:
        columns: the columns in the order of the feed.
        samples: values of each column that are not blank.
        chosen: columns that a person chose, by field; none for a field that the feed does not have.
        is_unique: whether every row has a value in a column, and each another one.
    """
    found = {name: Recognised(name, tuple(of_field), "map") for name, of_field in chosen.items()}
    used = {column for of_field in chosen.values() for column in of_field}
    _by_name(found, used, columns, samples)
    free = [column for column in columns if column not in used and samples.get(column)]
    for name, finds in _CONTENT:
        if name not in found and (column := finds(free, samples)):
            found[name] = Recognised(name, (column,), "content")
            free.remove(column)
    text = found.get("description")
    if "title" not in found and text is not None and text.by == "name" and _are_short(samples[text.columns[0]]):
        # A price list has short texts alone, and may call them descriptions.
        found["title"] = Recognised("title", text.columns, "content")
        del found["description"]
    if "id" not in found and (column := _id_by_content(free, samples, is_unique)):
        found["id"] = Recognised("id", (column,), "content")
    return [found[name] for name in FIELDS if name in found and found[name].columns]


def _by_name(
    found: dict[str, Recognised], used: set[str], columns: Sequence[str], samples: Mapping[str, Sequence[str]]
) -> None:
    levels = _category_levels([column for column in columns if column not in used and samples.get(column)])
    if levels and "category" not in found:
        found["category"] = Recognised("category", levels, "name")
        used.update(levels)
    candidates = sorted(
        (place, order, name, column)
        for order, column in enumerate(columns)
        if column not in used and samples.get(column) and (of_column := field_of(column))
        for name, place in (of_column,)
    )
    for _, _, name, column in candidates:
        if name not in found:
            found[name] = Recognised(name, (column,), "name")
            used.add(column)
    _price_before(found, used, columns, samples)
    numbered = [
        column for column in columns
        if column not in used and samples.get(column) and _NUMBERED_IMAGE.fullmatch(comparable(column))
    ]  # fmt: skip
    if numbered and "image" not in found:
        found["image"] = Recognised("image", (numbered[0],), "name")
        used.add(numbered.pop(0))
    if numbered and "more_images" not in found:
        found["more_images"] = Recognised("more_images", tuple(numbered), "name")
        used.update(numbered)


def _price_before(
    found: dict[str, Recognised], used: set[str], columns: Sequence[str], samples: Mapping[str, Sequence[str]]
) -> None:
    """Take a price that has an old one beside it as the reduced one."""
    price = found.get("price")
    if price is None or price.by == "map" or "sale_price" in found or comparable(price.columns[0]) in _LIST_PRICES:
        return
    free = [column for column in columns if column not in used and samples.get(column)]
    old = _first(free, lambda column: comparable(column) in _LIST_PRICES)
    if old is not None:
        found["sale_price"] = Recognised("sale_price", price.columns, "name")
        found["price"] = Recognised("price", (old,), "name")
        used.add(old)


def _category_levels(columns: Sequence[str]) -> tuple[str, ...]:
    """Return the columns that are the levels of one path of categories, if there are several."""
    by_name = {comparable(column): column for column in columns}
    found = (tuple(by_name[name] for name in map(comparable, levels) if name in by_name) for levels in CATEGORY_LEVELS)
    return max((levels for levels in found if len(levels) > 1), key=len, default=())


def _share(values: Sequence[str], holds: Callable[[str], object]) -> float:
    return sum(bool(holds(value)) for value in values) / max(1, len(values))


def _image(columns: Sequence[str], samples: Mapping[str, Sequence[str]]) -> str | None:
    return _first(columns, lambda column: _share(samples[column], _IMAGE.match) >= _MOSTLY)


def _gtin(columns: Sequence[str], samples: Mapping[str, Sequence[str]]) -> str | None:
    long = [column for column in columns if _share(samples[column], lambda value: len(value) >= 12) >= _MOSTLY]
    return _first(long, lambda column: len(samples[column]) > 4 and _share(samples[column], read_gtin) >= _MOSTLY)


def _price(columns: Sequence[str], samples: Mapping[str, Sequence[str]]) -> str | None:
    def names_a_currency(value: str) -> bool:
        money = read_money(value)
        return isinstance(money, Money) and bool(money.currency or money.shared_sign)

    return _first(columns, lambda column: _share(samples[column], names_a_currency) >= _MOSTLY)


def _category(columns: Sequence[str], samples: Mapping[str, Sequence[str]]) -> str | None:
    return _first(columns, lambda column: _share(samples[column], lambda value: " > " in value) >= 0.5)


def _title(columns: Sequence[str], samples: Mapping[str, Sequence[str]]) -> str | None:
    """Return the column of short texts that differ most from row to row."""

    def score(column: str) -> float:
        values = samples[column]
        texts = [value for value in values if " " in value and 5 <= len(value) <= 250 and "://" not in value]
        if len(texts) < _MOSTLY * len(values):
            return 0.0
        letters = sum(map(str.isalpha, "".join(texts))) / max(1, sum(map(len, texts)))
        return len(set(texts)) / len(values) if letters > 0.5 else 0.0

    best = max(columns, key=score, default=None)
    return best if best is not None and score(best) >= 0.3 else None


def _id_by_content(
    columns: Sequence[str], samples: Mapping[str, Sequence[str]], is_unique: Callable[[str], bool]
) -> str | None:
    short = [
        column for column in columns
        if len(samples[column]) > 1 and all(len(value) <= 40 and " " not in value for value in samples[column])
        and _share(samples[column], _is_code) >= _MOSTLY
    ]  # fmt: skip
    return _first(short, is_unique)


def _are_short(values: Sequence[str]) -> bool:
    return all(len(value) <= _LONGEST_TITLE for value in values)


def _is_code(value: str) -> bool:
    """Return whether a value has a digit and is no number with decimals."""
    return any(map(str.isdigit, value)) and "." not in value and "," not in value


def _first(columns: Sequence[str], holds: Callable[[str], bool]) -> str | None:
    return next((column for column in columns if holds(column)), None)


_Finds = Callable[[Sequence[str], Mapping[str, Sequence[str]]], str | None]
_CONTENT: tuple[tuple[str, _Finds], ...] = (
    ("image", _image),
    ("gtin", _gtin),
    ("price", _price),
    ("category", _category),
    ("title", _title),
)
