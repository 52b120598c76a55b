"""XML, JSON, Excel and Parquet."""

import datetime
import json
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feeds.errors import MappingError, UnreadableFeedError
from feeds.importing import Options
from tests.feeds.conftest import Import

MERCHANT = """<?xml version="1.0"?>
<rss version="2.0" xmlns:g="http://base.google.com/ns/1.0"><channel><title>A shop</title>
<item><g:id>42</g:id><title>Sofa &amp; stool</title><description><![CDATA[<b>Soft</b><br>grey]]></description>
<g:price>1299.00 EUR</g:price><g:sale_price>999.00 EUR</g:sale_price><g:availability>in stock</g:availability>
<g:image_link>https://example.com/s.jpg</g:image_link>
<g:additional_image_link>https://example.com/s2.jpg</g:additional_image_link>
<g:additional_image_link>https://example.com/s3.jpg</g:additional_image_link></item>
<item><g:id>42</g:id><title>Sofa again</title></item>
<item><g:id>43</g:id><g:title>Lamp</g:title><g:price>10.20</g:price><g:availability>out_of_stock</g:availability></item>
<item><title>No id</title></item>
</channel></rss>"""

NESTED = [
    '{"sku":"N1","name":{"en":"Kettle","de":"Kessel"},"price":{"amount":2499,"unit":"cent"},"categories":[["Home","Kettles"]]}',
    '{"sku":"N2","name":null,"price":{"amount":100,"unit":"cent"}}',
    '{"sku":"N1","name":{"en":"Kettle twice"}}',
    '{"sku":"N3","name":{"en":"Pot"',
    '{"sku":4,"name":{"en":"Pan \\ud83d"},"price":{"amount":1,"unit":"cent"}}',
]


def test_merchant(importing: Import) -> None:
    result = importing(MERCHANT, "feed.xml")
    sofa, lamp = result.products
    assert (sofa["product_id"], sofa["title"], sofa["description"]) == ("42", "Sofa & stool", "Soft\ngrey")
    assert (sofa["price"], sofa["list_price"], sofa["currency"], sofa["in_stock"]) == (999.0, 1299.0, "EUR", True)
    assert [sofa["image"], *sofa["more_images"]] == [f"https://example.com/s{n}.jpg" for n in ("", 2, 3)]
    assert (lamp["title"], lamp["price"], lamp["currency"], lamp["in_stock"]) == ("Lamp", 10.2, None, False)
    assert result.lines("unusable") == {8: "repeats the id of another row", 10: "no id"}


@pytest.mark.parametrize(
    "doctype",
    [
        '<!DOCTYPE l [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>',
        '<!DOCTYPE l [<!ENTITY a SYSTEM "file:///etc/hostname">]>',
        '<!DOCTYPE l SYSTEM "http://127.0.0.1:9/l.dtd">',
    ],
)
def test_xml_that_declares_entities_is_refused(doctype: str, importing: Import) -> None:
    with pytest.raises(UnreadableFeedError, match="document type"):
        importing(f'<?xml version="1.0"?>{doctype}<rss><channel><item><title>&a;</title></item></channel></rss>')


def test_xml_with_parameters_attributes_markup_and_unknown_entities(importing: Import) -> None:
    result = importing(
        "<shop><offer id='7'><name>A&nbsp;B</name><description><p>Fine</p> cloth</description>"
        "<param name='Colour'>Red</param><param name='Size'>S</param><pictures><picture src='https://a.example/1.jpg'/>"
        "</pictures></offer></shop>"
    )
    (product,) = result.products
    assert (product["product_id"], product["colour"], product["size"]) == ("7", "Red", "S")
    assert " ".join(product["description"].split()) == "Fine cloth"
    assert product["image"] == "https://a.example/1.jpg"


def test_xml_that_is_not_well_formed_is_read_as_far_as_it_can_be_and_told(importing: Import) -> None:
    result = importing(
        "<feed><product id='1'><name>A & B</name></product>\n<product id='2'><name>C</name></product></feed>"
    )
    assert result.column("product_id") == ["1", "2"]
    assert result.lines("note") == {1: "not well-formed XML"}


@pytest.mark.parametrize(
    ("written", "said"),
    [("utf-16-le", None), ("utf-16", None), ("utf-8", "utf_8"), ("utf-8-sig", "utf-8-sig"), ("cp1252", "cp1252")],
)
def test_xml_in_encodings_that_it_does_not_declare(written: str, said: str | None, importing: Import) -> None:
    feed = "<rss><channel><item><id>1</id><title>Théière</title></item></channel></rss>"
    result = importing(feed.encode(written), "feed.xml", Options(encoding=said))
    assert result.column("title") == ["Théière"]


def test_json_with_halves_of_characters_and_nested_without_end(importing: Import) -> None:
    deep = "[" * 700 + "]" * 700
    result = importing(
        '{"sku":"1","title":"Mug","a\\ud83d":"\\ud83d\\ude00"}\n{"sku":"2","title":"Pot","x":' + deep + '}\n"\\ud83d"\n'
    )
    assert [(row["product_id"], row["a"]) for row in result.products] == [("1", "\U0001f600")]
    assert result.lines("unusable") == {2: "nested too deeply", 3: "not a JSON object"}


def test_nested_json_is_named_by_paths_and_cents_are_asked_for(importing: Import) -> None:
    feed = "\n".join(NESTED)
    result = importing(feed, "feed.jsonl")
    assert result.column("product_id") == ["N1", "4"]
    assert result.column("category")[0] == ["Home > Kettles"]
    assert result.lines("unusable").keys() == {2, 3, 4}
    assert "price" not in result.products[0]
    assert "--price-unit" in result.imported.summary.questions[0]

    said = importing(feed, "feed.jsonl", price_unit="cents", columns={"title": ["name.de"], "price": ["price.amount"]})
    assert [(row["title"], row["price"]) for row in said.products] == [("Kessel", 24.99)]


def test_a_json_document_in_one_line_and_one_product_in_one_line(importing: Import) -> None:
    product = {"sku": "1", "title": "Mug", "sizes": [{"name": "S"}, {"name": "M"}]}
    assert importing(json.dumps({"name": "My shop", "items": [product, product | {"sku": "2"}]})).column(
        "product_id"
    ) == ["1", "2"]
    result = importing(json.dumps(product))
    assert (result.column("product_id"), result.column("sizes_name")) == (["1"], [["S", "M"]])


def test_a_json_document_is_read_piece_by_piece_with_lines(importing: Import, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("feeds.formats.json_text._CHUNK", 150)
    rows: list[object] = [{"id": n, "title": f"Mug {n}", "tags": ["a", "b"], "new": n % 2 == 0} for n in range(20)]
    text = json.dumps({"shop": "x", "products": [*rows, "no object"]}, indent=1)
    result = importing(text, "feed.json")
    assert result.column("product_id") == [str(n) for n in range(20)]
    assert (result.products[0]["tags"], result.products[0]["new"]) == (["a", "b"], True)
    assert result.lines("unusable") == {text[: text.index('"no object"')].count("\n") + 1: "not a JSON object"}
    with pytest.raises(UnreadableFeedError, match="damaged in the value that begins in line"):
        importing(text[:-60], "feed.json")


def test_excel(importing: Import, tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    day = datetime.date(2026, 1, 2)
    for row in (
        [],
        ["Our shop"],
        [],
        ["sku", "name", "price", "new", "since"],
        [1001, "Mug", 9.5, True, day],
        [1002, "Pot"],
    ):
        sheet.append(row)
    book.save(tmp_path / "feed.xlsx")
    result = importing(tmp_path / "feed.xlsx")
    assert [(row["product_id"], row["price"], row["new"]) for row in result.products] == [
        ("1001", 9.5, True),
        ("1002", None, None),
    ]
    assert result.column("since") == ["2026-01-02", None]


def test_parquet(importing: Import, tmp_path: Path) -> None:
    table = pa.table(
        {"artikel": [7, 8], "bezeichnung": ["Krug", "Topf"], "preis": [1.274, 2.0], "farben": [["rot"], None]}
    )
    pq.write_table(table, tmp_path / "feed.parquet")
    result = importing(tmp_path / "feed.parquet")
    assert [(row["product_id"], row["title"], row["price"]) for row in result.products] == [
        ("7", "Krug", 1.274),
        ("8", "Topf", 2.0),
    ]
    assert result.column("farben") == [["rot"], None]


def test_without_a_title_the_columns_are_named(importing: Import) -> None:
    with pytest.raises(MappingError, match=r"--map title=COLUMN.*sku, number"):
        importing("sku,number\nA,1\nB,2\n")
