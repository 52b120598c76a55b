"""Delimited text: quotes, line breaks, encodings, headers and notes."""

import csv
import gzip

import pytest

from feeds.errors import UnreadableFeedError
from tests.feeds.conftest import Import


def test_inch_marks_and_damaged_quotes_cost_no_other_product(importing: Import) -> None:
    result = importing(
        'sku,title,description\nP1,Pipe 5" steel,plain\nP2,"Shelf 20"" oak","two\nlines"\nP3,Clamp 3/4",x\n'
        'P4,"20 inch shelf,y\nP5,"A "quoted" word",z\nP6,Last one,"open\n'
    )
    assert result.column("product_id") == ["P1", "P2", "P3", "P4", "P5", "P6"]
    assert result.column("title")[:3] == ['Pipe 5" steel', 'Shelf 20" oak', 'Clamp 3/4"']
    assert result.column("title")[4] == 'A "quoted" word'
    assert result.column("description")[:3] == ["plain", "two\nlines", "x"]


def test_notes_below_the_rows_and_lines_with_too_much_are_told(importing: Import) -> None:
    text = "Artikel;Bezeichnung;Preis;Verfügbar\r\nA1;Küche;12,50;ja\r\nA2;a;b;c;d\r\nA3;Fuß;3,00;nein;\r\n\r\n"
    text += "Stand;vom 01.11."
    result = importing(text.encode("cp1252"))
    assert result.column("title") == ["Küche", "Fuß"]
    assert result.column("in_stock") == [True, False]
    assert result.lines("unusable") == {3: "more than the 4 cells of the header", 6: "fewer cells than the header"}
    assert result.imported.summary.details["encoding"] == "cp1252"


@pytest.mark.parametrize(
    ("encoding", "title"),
    [
        ("utf-8-sig", "Théière"), ("utf-16", "Théière"), ("cp1252", "Crème brûlée à la française"),
        ("cp1250", "Příliš žluťoučký hrnek"), ("cp1251", "Чайник красный"), ("cp932", "赤いマグカップ 白い花瓶"),
        ("gb18030", "红色马克杯白色花瓶桌子"),
    ],
)  # fmt: skip
def test_encodings(encoding: str, title: str, importing: Import) -> None:
    result = importing(f"id\tname\r\n1\t{title}\r\n".encode(encoding), "feed.tsv")
    assert result.column("title") == [title]


def test_lines_before_the_header_a_compressed_file_and_columns_of_one_name(importing: Import) -> None:
    text = "Export of our shop\n\nid,name,colour,colour\n1,Mug,red,blue\n2,Pot,,green\n"
    result = importing(gzip.compress(text.encode()), "feed.csv.gz")
    assert [(row["product_id"], row["colour"], row["colour_2"]) for row in result.products] == [
        ("1", "red", "blue"),
        ("2", None, "green"),
    ]


def test_columns_without_a_header_are_recognised_by_content(importing: Import) -> None:
    rows = [f"{7000 + n},Red mug number {n},https://a.example/{n}.jpg,{n}.50 EUR" for n in range(1, 9)]
    result = importing("\n".join(rows))
    assert result.column("product_id")[0] == "7001"
    assert (result.column("title")[0], result.column("price")[0]) == ("Red mug number 1", 1.5)
    assert result.column("image")[0] == "https://a.example/1.jpg"


def test_a_cell_beyond_all_bounds_costs_no_other_product(importing: Import) -> None:
    limit = csv.field_size_limit(1000)
    try:
        result = importing(f'id,name,description\n1,Mug,"{"x" * 1001}"\n2,Pot,y\n')
    finally:
        csv.field_size_limit(limit)
    assert result.column("product_id") == ["1", "2"]


@pytest.mark.parametrize("feed", [b"", b"  \n", b"\x00\x01\x02\x03binary", b"just a sentence\nand another\n"])
def test_what_is_no_feed_is_refused_by_a_sentence(feed: bytes, importing: Import) -> None:
    with pytest.raises(UnreadableFeedError):
        importing(feed)
