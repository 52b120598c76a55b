"""What a person says of a feed: which column is which field, what its numbers mean. It can be saved and given again."""

import json
from collections.abc import Mapping as Dict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from feeds.columns.fields import FIELDS
from feeds.errors import MappingError
from feeds.values.amounts import Mark
from feeds.values.money import CURRENCIES

PriceUnit = Literal["units", "cents"]
_KEYS = ("columns", "decimal_mark", "price_unit", "currency")


@dataclass(frozen=True)
class Mapping:
    """What is said of a feed; what is not said is found out.

    Attributes:
        columns: the columns of a field; several are joined (the levels of a category, the photos of a product). An
            empty list says that the feed does not have the field.
        decimal_mark: before the decimals of all its numbers.
        price_unit: whether its prices count units of the currency or hundredths of them.
        currency: ISO code for prices without one.
    """

    columns: dict[str, list[str]] = field(default_factory=dict)
    decimal_mark: Mark | None = None
    price_unit: PriceUnit | None = None
    currency: str | None = None

    def as_json(self) -> bytes:
        """Return it as it is saved."""
        said = {key: value for key in _KEYS if (value := getattr(self, key)) is not None}
        return (json.dumps(said, indent=1, ensure_ascii=False) + "\n").encode()


def parse_maps(maps: Sequence[str]) -> dict[str, list[str]]:
    """Return the columns of options such as title=name and category=department,type.

    Raises:
        MappingError: one of them is not FIELD=COLUMN, or names a field that products do not have.
    """
    columns: dict[str, list[str]] = {}
    for text in maps:
        name, equals, value = text.partition("=")
        if not equals:
            raise MappingError(f"--map {text}: write FIELD=COLUMN, for example title=name")
        columns[_field(name.strip())] = [value] if value else []
    return columns


def read_mapping(path: Path) -> Mapping:
    """Read a mapping that was saved.

    Raises:
        MappingError: the file cannot be read, or says something else.
    """
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MappingError(f"{path} cannot be read as a mapping: {error}") from error
    if not isinstance(said, Dict) or not set(said) <= set(_KEYS):
        raise MappingError(f"{path}: a mapping is an object with {', '.join(_KEYS)}")
    columns = said.get("columns", {})
    if not isinstance(columns, Dict) or not all(_are_texts(value) for value in columns.values()):
        raise MappingError(f'{path}: columns names a list of columns for each field, such as "title": ["name"]')
    return check(Mapping(
        {_field(name): list(value) for name, value in columns.items()},
        said.get("decimal_mark"), said.get("price_unit"), said.get("currency"),
    ))  # fmt: skip


def check(mapping: Mapping) -> Mapping:
    """Return a mapping whose words are known.

    Raises:
        MappingError: one of them is not.
    """
    if mapping.decimal_mark not in (None, ".", ","):
        raise MappingError(f"the decimal mark is . or , and not {mapping.decimal_mark}")
    if mapping.price_unit not in (None, "units", "cents"):
        raise MappingError(f"the unit of prices is units or cents, and not {mapping.price_unit}")
    if mapping.currency is not None and not (isinstance(mapping.currency, str) and mapping.currency in CURRENCIES):
        raise MappingError(f"{mapping.currency} is no currency; give its ISO code, for example EUR")
    return mapping


def chosen_columns(mapping: Mapping, given: Sequence[str]) -> dict[str, list[str]]:
    """Return the columns of each field that a mapping names, as the feed has them.

    Raises:
        MappingError: the feed has no such column.
    """
    return {
        name: [column for value in values for column in _in_feed(name, value, given)]
        for name, values in mapping.columns.items()
    }


def _in_feed(name: str, value: str, given: Sequence[str]) -> list[str]:
    """Return the columns that a value names: one, or several with commas between them."""
    parts = [value] if value in given else [part.strip() for part in value.split(",")]
    missing = [part for part in parts if part not in given]
    if missing:
        raise MappingError(
            f"the feed has no column {missing[0]!r} for {name}; it has {', '.join(given[:40])}"
            f"{', ...' if len(given) > 40 else ''}"
        )
    return parts


def _field(name: str) -> str:
    if name not in FIELDS:
        raise MappingError(f"{name} is no field of a product; the fields are {', '.join(FIELDS)}")
    return name


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(entry, str) for entry in value)
