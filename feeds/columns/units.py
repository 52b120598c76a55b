"""Whether prices may count cents, which is asked for and never guessed."""

from collections.abc import Mapping, Sequence

_CENTS = frozenset(
    {"cent", "cents", "ct", "pence", "penny", "minor", "minor unit", "minor units", "paise", "hundredths"}
)
_UNIT_NAMES = ("unit", "price_unit", "priceunit", "currency_unit", "subunit")
_IN_CENTS = ("cents", "in_cents", "minor", "pence", "cent_amount", "centamount")


def cents_question(prices: Sequence[str], samples: Mapping[str, Sequence[str]]) -> str | None:
    """Return a question where a feed looks as if its prices counted cents; None where nothing says so.

    Args:
        prices: the columns of prices.
        samples: values of each column of the feed.
    """
    for price in prices:
        if price.lower().replace(" ", "_").replace(".", "_").endswith(_IN_CENTS):
            return _question(f"the column {price} is named as if it counted cents")
        base = price.rpartition(".")[0]
        for column, values in samples.items():
            parent, _, name = column.lower().rpartition(".")
            beside = parent == base.lower() and name in _UNIT_NAMES
            if beside and any(value.lower() in _CENTS for value in values):
                return _question(f"the column {column} beside {price} says {values[0]}")
    return None


def _question(reason: str) -> str:
    return f"{reason}: do prices count cents? Until --price-unit says cents or units, products have no price"
