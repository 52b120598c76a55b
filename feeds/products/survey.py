"""What the columns of a whole feed say together before values are read: decimal marks and kinds of attributes."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from feeds.products.by_value import distinct
from feeds.products.kinds import Kind, KindEvidence
from feeds.staging import Stage
from feeds.values.amounts import Mark
from feeds.values.marks import MarkEvidence
from feeds.values.money import Money, read_money

PRICES = ("price", "sale_price")


@dataclass(frozen=True)
class Attribute:
    """A column that is no field of a product.

    Attributes:
        kind: what its values are.
        mark: the decimal mark of its numbers; None where none is needed or known.
    """

    kind: Kind
    mark: Mark | None = None


@dataclass(frozen=True)
class Survey:
    """What a feed says as a whole.

    Attributes:
        mark: the decimal mark of its prices; None where it is not known.
        settled_by: how it was settled, as a phrase.
        open_prices: how many prices cannot be read without it.
        currencies: cells with each currency.
        shared_signs: cells with a sign that several currencies have.
        attributes: the columns that are no fields, in the order of the feed.
    """

    mark: Mark | None
    settled_by: str
    open_prices: int
    currencies: Counter[str]
    shared_signs: Counter[str]
    attributes: dict[str, Attribute] = field(default_factory=dict)


def survey(stage: Stage, fields: Mapping[str, Sequence[str]], mark: Mark | None) -> Survey:
    """Return what a feed says as a whole.

    Args:
        stage: its rows.
        fields: the columns of each field.
        mark: the decimal mark of all numbers, where a person named it.
    """
    prices = [column for name in PRICES for column in fields.get(name, ())]
    used = {column for columns in fields.values() for column in columns}
    evidence = {column: KindEvidence() for column in stage.columns if column not in used}
    texts = set[str]()  # columns that have turned out to be no numbers
    money, signs = MarkEvidence(), Counter[str]()
    for rows in stage.batches():
        for column in prices:
            _add_prices(money, signs, distinct(rows.column(column)))
        for column, of_column in evidence.items():
            if column not in texts and column not in stage.lists and column in rows.columns:
                of_column.add(distinct(rows.column(column)))
                if of_column.is_text:
                    texts.add(column)
    if any(stage.numbers[column] for column in prices):
        money.marks["."] += sum(stage.numbers[column] for column in prices)
    found, settled_by = (mark, "as the mapping says") if mark else money.settled()
    attributes = {
        column: _attribute(column, of_column, stage, mark, found)
        for column, of_column in evidence.items()
        if of_column.given or column in stage.lists
    }
    open_prices = money.open_signs.total() if found is None else 0
    return Survey(found, settled_by, open_prices, money.currencies, signs, attributes)


def _add_prices(money: MarkEvidence, signs: Counter[str], values: list[tuple[str, int]]) -> None:
    for text, times in values:
        price = read_money(text)
        if isinstance(price, Money):
            money.add(price.amount, price.currency, times)
            if price.shared_sign is not None:
                signs[price.shared_sign] += times


def _attribute(
    column: str, evidence: KindEvidence, stage: Stage, said: Mark | None, of_prices: Mark | None
) -> Attribute:
    """Return the kind of a column; where its own numbers do not show their decimal mark, it is that of the prices."""
    if column in stage.lists:
        return Attribute("list")
    evidence.marks.marks["."] += stage.numbers[column]
    mark = said or evidence.marks.settled()[0] or of_prices
    return Attribute(evidence.kind(column, mark), mark)
