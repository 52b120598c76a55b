"""Which kind of values a column of attributes has: text, number, yes or no, list, or money."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from feeds.values.amounts import Amount, Mark, OpenAmount, read_amount, read_typed_number
from feeds.values.marks import MarkEvidence
from feeds.values.money import Money, read_money
from feeds.values.words import is_nothing, read_yes_or_no

Kind = Literal["text", "integer", "number", "boolean", "list", "money"]

# Where the name says that these are numbers, a few cells that are none do not make it a text.
_COUNTED = re.compile(
    r"rating|review|count|score|votes|stock|qty|quantity|weight|width|height|length|depth|discount|price|cost|rank|sold|"
    r"bewertung|anzahl|menge|gewicht|breite|höhe|länge|tiefe|preis|note|prix|poids|largeur|hauteur|peso|precio|cantidad",
    re.I,
)
_CODED = re.compile(
    r"(?:^|[\W_])(?:id|sku|code|nr|no|nummer|zip|phone|tel|ean|gtin|mpn|isbn|asin|hs|postcode)s?$", re.I
)
_LISTED = re.compile(
    r"tags?$|keywords?|labels?$|features?$|colou?rs$|sizes$|materials$|farben|größen|couleurs|bullet", re.I
)
_LONGEST_NUMBER = 15  # digits that a float64 keeps
_MOSTLY, _NEARLY_ALL = 0.9, 0.99


@dataclass
class KindEvidence:
    """Counts what the values of a column could be.

    Attributes:
        given: how many cells have a value.
        numbers: how many are numbers.
        decimals: how many numbers may have decimals.
        yes_or_no: how many say yes or no.
        money: how many are amounts with a currency.
        coded: whether a number is written as only identifiers are: with a zero in front, or very long.
        marks: evidence of the decimal mark.
    """

    given: int = 0
    numbers: int = 0
    decimals: int = 0
    yes_or_no: int = 0
    money: int = 0
    coded: bool = False
    marks: MarkEvidence = field(default_factory=MarkEvidence)

    @property
    def is_text(self) -> bool:
        """Whether most values seen are neither numbers nor money nor yes and no."""
        return self.given > 0 and max(self.numbers, self.money, self.yes_or_no) < self.given / 2

    def add(self, values: Iterable[tuple[str, int]]) -> None:
        """Count distinct values and the number of cells that have them."""
        for text, times in values:
            if is_nothing(text):
                continue
            self.given += times
            amount = read_number(text)
            if amount is not None:
                self._add_number(text, amount, times)
            elif read_yes_or_no(text) is not None:
                self.yes_or_no += times
            elif isinstance(money := read_money(text), Money):
                self.money += times
                self.marks.add(money.amount, money.currency, times)

    def kind(self, name: str, mark: Mark | None) -> Kind:
        """Return the kind of a column.

        Args:
            name: of the column.
            mark: the decimal mark of its numbers; None if it is not known.
        """
        if _LISTED.search(name):
            return "list"
        if not self.given:
            return "text"
        if self.yes_or_no >= _NEARLY_ALL * self.given:
            return "boolean"
        enough = (_MOSTLY if _COUNTED.search(name) else _NEARLY_ALL) * self.given
        is_open = self.marks.open_signs.total() > 0 and mark is None
        if self.coded or is_open or _CODED.search(name):
            return "text"
        if self.money and self.money + self.numbers >= enough:
            return "money"
        if self.numbers < enough:
            return "text"
        opened = any(sign == mark for sign in self.marks.open_signs)
        return "number" if self.decimals or opened else "integer"

    def _add_number(self, text: str, amount: Amount | OpenAmount, times: int) -> None:
        self.numbers += times
        digits = text.lstrip("-+\u2212")
        self.coded |= (digits[:1] == "0" and digits[1:2].isdigit()) or sum(map(str.isdigit, text)) > _LONGEST_NUMBER
        self.marks.add(amount, None, times)
        if isinstance(amount, Amount) and not (amount.value.is_integer() and abs(amount.value) < 2**53):
            self.decimals += times


def read_number(text: str) -> Amount | OpenAmount | None:
    """Return the number that a text is, which may be below zero; None if it is none."""
    text = text.strip()
    if text[:1] not in "-+\u2212":
        return read_amount(text)
    amount = read_amount(text[1:])
    if amount is None:
        typed = read_typed_number(text)
        return None if typed is None else Amount(typed, ".")
    if text[0] == "+":
        return amount
    if isinstance(amount, Amount):
        return Amount(-amount.value, amount.mark)
    return OpenAmount(amount.sign, -amount.as_decimals, -amount.as_thousands)
