"""Attributes of products: columns that are no fields, in the type that their values have."""

import re
from collections.abc import Iterable

import pyarrow as pa

from feeds.products.by_value import ReadColumn, Unusable, read_column
from feeds.products.given import given, joined_lists, texts
from feeds.products.kinds import read_number
from feeds.products.survey import Attribute
from feeds.staging import StagedRows
from feeds.values.marks import value_of
from feeds.values.money import Money, read_money
from feeds.values.texts import one_line, plain_text, split_list
from feeds.values.words import read_yes_or_no

LIST = pa.list_(pa.string())
_LONG = 200  # characters, above which line breaks stay
_TYPES = {
    "text": pa.string(), "integer": pa.int64(), "number": pa.float64(), "boolean": pa.bool_(), "list": LIST,
    "money": pa.float64(),
}  # fmt: skip

AttributeFault = tuple[int, str, str]  # row, value, reason


def attribute_names(columns: Iterable[str], taken: Iterable[str]) -> dict[str, str]:
    """Return the name of each column in the catalogue: in small letters, with _ in place of other signs."""
    used = set(taken)
    names = {}
    for column in columns:
        name = base = re.sub(r"\W+", "_", column.strip().lower()).strip("_") or "column"
        number = 2
        while name in used:
            name, number = f"{base}_{number}", number + 1
        used |= {name, f"{name}_currency"}
        names[column] = name
    return names


def attribute_fields(name: str, attribute: Attribute) -> list[pa.Field]:
    """Return the columns of the catalogue that an attribute becomes."""
    fields = [pa.field(name, _TYPES[attribute.kind])]
    return [*fields, pa.field(f"{name}_currency", pa.string())] if attribute.kind == "money" else fields


def read_attribute(rows: StagedRows, column: str, attribute: Attribute) -> tuple[list[pa.Array], list[AttributeFault]]:
    """Return the columns that an attribute becomes, and the cells that are not of its kind."""
    if attribute.kind == "list":
        lists = joined_lists(rows, [column], lambda text: [one_line(value) for value in split_list(text)])
        return [pa.array([values or None for values in lists], LIST)], []
    if attribute.kind == "text":
        return [texts(rows, column, lambda text: plain_text(text) if len(text) > _LONG else one_line(text))], []
    values = given(rows, column)
    if attribute.kind == "boolean":
        found = read_column(values, lambda text: _or_fault(read_yes_or_no(text), "neither yes nor no"))
        return [pa.array(found.values, pa.bool_())], found.faults
    if attribute.kind == "money":
        return _money(values, attribute)

    def number(text: str) -> float | Unusable:
        amount = read_number(text)
        return _or_fault(None if amount is None else value_of(amount, attribute.mark), "not a number")

    numbers: ReadColumn[float] = read_column(values, number)
    if attribute.kind == "integer":
        whole = [None if value is None else int(value) for value in numbers.values]
        return [pa.array(whole, pa.int64())], numbers.faults
    return [pa.array(numbers.values, pa.float64())], numbers.faults


def _money(values: pa.Array, attribute: Attribute) -> tuple[list[pa.Array], list[AttributeFault]]:
    def read(text: str) -> tuple[float, str | None] | Unusable:
        money = read_money(text)
        if not isinstance(money, Money):
            return Unusable(money)
        value = value_of(money.amount, attribute.mark)
        return Unusable("the decimal mark is not known") if value is None else (value, money.currency)

    found = read_column(values, read)
    amounts = [None if value is None else value[0] for value in found.values]
    currencies = [None if value is None else value[1] for value in found.values]
    return [pa.array(amounts, pa.float64()), pa.array(currencies, pa.string())], found.faults


def _or_fault(value: float | bool | None, reason: str) -> float | bool | Unusable:
    return Unusable(reason) if value is None else value
