"""Prices, decimal marks and currencies of a whole column."""

import pytest

from feeds.products.kinds import KindEvidence
from feeds.values.amounts import Amount, OpenAmount
from feeds.values.identifiers import read_gtin
from feeds.values.marks import MarkEvidence
from feeds.values.money import Money, read_money
from feeds.values.texts import category_paths, plain_text
from tests.feeds.conftest import Import


@pytest.mark.parametrize(
    ("text", "value", "currency"),
    [
        ("CHF 1'234.50", 1234.5, "CHF"), ("₹1,23,456.78", 123456.78, "INR"), ("1 234,56 €", 1234.56, "EUR"),
        ("15.00USD", 15.0, "USD"), ("12,-", 12.0, None), ("₹500/-", 500.0, "INR"), ("1.234.567", 1234567.0, None),
        ("0,250", 0.25, None), ("SFr. 12.–", 12.0, "CHF"), ("12\u202f345,60 zł", 12345.6, "PLN"), ("0", 0.0, None),
    ],
)  # fmt: skip
def test_one_price(text: str, value: float, currency: str | None) -> None:
    money = read_money(text)
    assert isinstance(money, Money) and isinstance(money.amount, Amount)
    assert (money.amount.value, money.currency) == (value, currency)


@pytest.mark.parametrize(
    "text",
    [
        "from 12.00",
        "call us",
        "-5",
        "12.00-",
        "12.00 - 19.00",
        "NaN",
        "12.5.6",
        "12 EUR/kg",
        "5 EUR 6 USD",
        "1,234,56",
        "1e3",
    ],
)
def test_what_is_no_price(text: str) -> None:
    assert isinstance(read_money(text), str)


def test_a_sign_that_several_currencies_share_is_none_of_them() -> None:
    money = read_money("$9")
    assert isinstance(money, Money)
    assert (money.currency, money.shared_sign) == (None, "$")


def test_one_cell_settles_the_decimal_mark_of_its_column(importing: Import) -> None:
    rows = ["1;Lamp;1.274,00", "2;Sofa;1 234,56 €", "3;Table;2.450", "4;Pen;7"]
    result = importing("id;name;price\n" + "\n".join(rows))
    assert result.column("price") == [1274.0, 1234.56, 2450.0, 7.0]
    assert result.column("currency") == [None, "EUR", None, None]


def test_a_mark_that_nothing_settles_is_asked_for(importing: Import) -> None:
    feed = 'id,name,price\n1,A,"1,274"\n2,B,NaN\n3,C,0\n4,D,from 12.00\n'
    result = importing(feed)
    assert result.column("price") == [None, None, 0.0, None]
    assert result.lines("cell").keys() == {2, 3, 5}
    assert "--decimal-mark" in result.imported.summary.questions[0]

    said = importing(feed, decimal_mark=".")
    assert said.column("price") == [1274.0, None, 0.0, None]


def test_many_prices_with_three_digits_after_the_mark_are_thousands() -> None:
    evidence = MarkEvidence()
    evidence.add(OpenAmount(",", 1.5, 1500), None, 19)
    assert evidence.settled()[0] is None
    evidence.add(OpenAmount(",", 1.5, 1500), None, 1)
    assert evidence.settled()[0] == "."
    evidence.add(Amount(0.0), "KWD", 1)
    assert evidence.settled()[0] is None


def test_cells_that_contradict_each_other_leave_the_open_ones_open(importing: Import) -> None:
    result = importing("id;name;price\n1;A;1.274,50\n2;B;1,274.50\n3;C;1.274\n")
    assert result.column("price") == [1274.5, 1274.5, None]


def test_sale_prices_and_currencies(importing: Import) -> None:
    result = importing(
        "id,name,price,sale_price,currency\n1,A,10.00,8.00,EUR\n2,B,10.00,0,EUR\n3,C,10.00,12.00,EUR\n4,D,,5.00,Euros?\n"
    )
    assert result.column("price") == [8.0, 10.0, 10.0, 5.0]
    assert result.column("list_price") == [10.0, None, None, None]
    assert result.column("currency") == ["EUR", "EUR", "EUR", None]
    assert set(result.lines("cell").values()) == {"a sale price above the price", "not the code of a currency"}


@pytest.mark.parametrize(
    ("values", "name", "kind"),
    [
        (["1", "2", "3"], "views", "integer"), (["0.5", "2"], "weight", "number"), (["ja", "nein"], "neu", "boolean"),
        (["0", "1"], "flag", "integer"), (["007", "12"], "views", "text"), (["1", "2"], "vendor_id", "text"),
        (["12 EUR", "3 EUR"], "deposit", "money"), (["S", "36", "38"], "size", "text"), (["1,274"], "views", "text"),
        (["-3", "4"], "degrees", "integer"), (["red"], "colours", "list"),
    ],
)  # fmt: skip
def test_kinds_of_attributes(values: list[str], name: str, kind: str) -> None:
    evidence = KindEvidence()
    evidence.add((value, 1) for value in values)
    assert evidence.kind(name, evidence.marks.settled()[0]) == kind


def test_counts_with_separators_are_numbers_and_the_odd_cell_is_told(importing: Import) -> None:
    counts = [f'"{number},{number}"' for number in range(113, 143)] + ["58", "FREE", "1"]
    rows = "".join(f"{place},Name {place},{count}\n" for place, count in enumerate(counts))
    result = importing("id,name,no_of_ratings\n" + rows)
    assert result.column("no_of_ratings")[:2] == [113113, 114114]
    assert result.column("no_of_ratings")[-3:] == [58, None, 1]
    assert result.lines("cell") == {33: "not a number"}


def test_numbers_that_no_column_can_hold_are_text_or_told(importing: Import) -> None:
    digits = "9" * 400
    result = importing(f"id;name;price;views;level\n1;A;{digits};{digits};-1e30\n2;B;5,50;7;2\n")
    assert result.column("price") == [None, 5.5]
    assert result.column("views") == [digits, "7"]
    assert result.column("level") == [-1e30, 2.0]


def test_availability_in_words_of_many_languages_and_in_counts(importing: Import) -> None:
    words = [
        "ja",
        "Sofort lieferbar",
        "http://schema.org/OutOfStock",
        "on_backorder",
        "vorbestellbar",
        "0",
        "12+",
        "1.200",
        "?",
    ]
    result = importing("id;name;verfügbar\n" + "".join(f"{n};Mug;{word}\n" for n, word in enumerate(words)))
    assert result.column("in_stock") == [True, True, False, None, None, False, True, True, None]
    assert result.column("availability")[2:5] == ["out of stock", "backorder", "preorder"]
    assert result.lines("cell").keys() == {10}


def test_gtin() -> None:
    assert read_gtin("4006381333931") == read_gtin("400-638133393 1") == "4006381333931"
    assert read_gtin("12345678905") == "012345678905"
    assert [read_gtin(text) for text in ("4006381333932", "4.00638E+12", "0000000000000", "abc")] == [None] * 4


def test_texts_and_paths() -> None:
    assert plain_text("<p>Cool &amp; light</p><script>x()</script><p>5 < 6</p>") == "Cool & light\n5 < 6"
    assert plain_text("&lt;b&gt;Bold&lt;/b&gt;") == "Bold"
    assert plain_text("a<script>x()") == plain_text("a<style media='x'>b") == plain_text("a<!-- b <b>c") == "a"
    assert plain_text("a <script b") == "a <script b"
    assert plain_text("<script>" * 100_000 + "<!--" * 100_000) == ""  # at once, and not after minutes
    assert plain_text("a<!-- b -->c<SCRIPT>d</script >e") == "ac e"
    assert category_paths('["Home >> Sofas >> Red"]') == ["Home > Sofas > Red"]
    assert category_paths("Home &gt; Sofas | Sale") == ["Home > Sofas", "Sale"]
    assert category_paths("Home|Sofas") == ["Home > Sofas"]
    assert category_paths("Default Category/Gear/Bags,Default Category/Sale") == ["Gear > Bags", "Sale"]
    assert category_paths("Audio/Video") == ["Audio/Video"]
