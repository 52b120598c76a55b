"""Which decimal mark the numbers of a column have."""

from collections import Counter
from dataclasses import dataclass, field

from feeds.values.amounts import Amount, Mark, OpenAmount

_ENOUGH_THOUSANDS = 20  # prices with exactly three digits after the mark, and none with one or two
_NEARLY_ALL = 0.99

# Where these are paid with, decimals stand after a dot.
_DOT_CURRENCIES = frozenset(
    {"USD", "GBP", "INR", "JPY", "CNY", "KRW", "AUD", "NZD", "HKD", "SGD", "TWD", "THB", "MYR", "PHP", "ILS", "MXN"}
)
_THREE_DECIMALS = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})


@dataclass
class MarkEvidence:
    """Counts what the cells of a column, or of columns that one program wrote, say of their decimal mark.

    Attributes:
        marks: how many cells show a decimal mark, by mark.
        open_signs: how many cells have a mark that may be either, by mark.
        currencies: how many cells name a currency, by code.
    """

    marks: Counter[Mark] = field(default_factory=Counter)
    open_signs: Counter[Mark] = field(default_factory=Counter)
    currencies: Counter[str] = field(default_factory=Counter)

    def add(self, amount: Amount | OpenAmount, currency: str | None, times: int) -> None:
        """Count a number that stands in `times` cells."""
        if isinstance(amount, OpenAmount):
            self.open_signs[amount.sign] += times
        elif amount.mark is not None:
            self.marks[amount.mark] += times
        if currency is not None:
            self.currencies[currency] += times

    def merge(self, other: "MarkEvidence") -> None:
        """Count what another column of the same feed says."""
        self.marks.update(other.marks)
        self.open_signs.update(other.open_signs)
        self.currencies.update(other.currencies)

    def settled(self) -> tuple[Mark | None, str]:
        """Return the decimal mark and a phrase that says how it was settled; None where nothing does."""
        if self.marks:
            (mark, count), total = self.marks.most_common(1)[0], self.marks.total()
            if count == total:
                return mark, f"{count:,} cells show it"
            if count >= _NEARLY_ALL * total:
                return mark, f"{count:,} of {total:,} cells show it"
            return None, "some cells show a dot and others a comma"
        if not self.open_signs:
            return None, "no cell has decimals"
        return self._settled_without_decimals()

    def _settled_without_decimals(self) -> tuple[Mark | None, str]:
        """Return the decimal mark where every number that has a mark has exactly three digits after it."""
        if len(self.open_signs) == 1 and not _THREE_DECIMALS & self.currencies.keys():
            (sign, count), = self.open_signs.items()  # fmt: skip
            decimal: Mark = "," if sign == "." else "."
            if count >= _ENOUGH_THOUSANDS:
                return decimal, f"{count:,} cells have exactly three digits after a {sign}, and none has one or two"
            if decimal == "." and self.currencies and self.currencies.keys() <= _DOT_CURRENCIES:
                return decimal, f"by the currency {', '.join(self.currencies)}"
        return None, "no cell shows it"


def value_of(amount: Amount | OpenAmount, mark: Mark | None) -> float | None:
    """Return a number, by the decimal mark of its column where it is open; None if this is not known."""
    if isinstance(amount, Amount):
        return amount.value
    if mark is None:
        return None
    return amount.as_decimals if amount.sign == mark else amount.as_thousands
