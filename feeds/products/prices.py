"""Prices of products: what is paid, what it cost before, and in which currency."""

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from feeds.products.by_value import ReadColumn, Unusable, read_column
from feeds.products.survey import Survey
from feeds.values.marks import value_of
from feeds.values.money import Money, currency_of, read_money

Fault = tuple[int, str, str, str]  # row, field, value, reason
Price = tuple[float, str | None]

OPEN = "the decimal mark is not known: write it with --decimal-mark"


@dataclass(frozen=True, eq=False)
class Prices:
    """Prices of some rows.

    Attributes:
        price: what is paid; None where it is not known.
        list_price: what it cost before; None where it is not reduced.
        currency: ISO code; None where it is not known.
        faults: cells that could not be used.
    """

    price: list[float | None]
    list_price: list[float | None]
    currency: list[str | None]
    faults: list[Fault]


def read_prices(
    price: pa.Array, sale_price: pa.Array, currency: pa.Array, survey: Survey,
    unit: Literal["units", "cents"] | None, default_currency: str | None,
) -> Prices:  # fmt: skip
    """Return the prices of rows.

    A sale price counts if it is above zero and not above the other; a zero there means that there is no sale.

    Args:
        price: prices as the feed has them.
        sale_price: reduced prices.
        currency: names of currencies, for prices without one.
        survey: what the feed says of its decimal mark.
        unit: whether prices count units or cents; None for units.
        default_currency: of prices for which nothing names one.
    """
    divisor = 100 if unit == "cents" else 1

    def read(text: str) -> Price | Unusable:
        money = read_money(text)
        if not isinstance(money, Money):
            return Unusable(money)
        value = value_of(money.amount, survey.mark)
        return Unusable(OPEN) if value is None else (round(value / divisor, 6), money.currency)

    regular, reduced = read_column(price, read), read_column(sale_price, read)
    named = read_column(currency, lambda text: currency_of(text) or Unusable("not the code of a currency"))
    faults = _named(regular, "price") + _named(reduced, "sale_price") + _named(named, "currency")
    paid: list[float | None] = []
    before: list[float | None] = []
    currencies: list[str | None] = []
    for row, (full, sale, code) in enumerate(zip(regular.values, reduced.values, named.values, strict=True)):
        if sale is not None and sale[0] == 0:
            sale = None
        if sale is not None and full is not None and sale[0] > full[0] > 0:
            faults.append((row, "sale_price", f"{sale[0]:g}, price {full[0]:g}", "a sale price above the price"))
            sale = None
        chosen = sale or full
        paid.append(chosen[0] if chosen else None)
        before.append(full[0] if sale and full and full[0] > sale[0] else None)
        currencies.append((chosen[1] or (full and full[1]) or code or default_currency) if chosen else None)
    return Prices(paid, before, currencies, faults)


def _named(column: ReadColumn[Price] | ReadColumn[str], field: str) -> list[Fault]:
    return [(row, field, text, reason) for row, text, reason in column.faults]
