"""Columns, ids, repeats, mappings, refusals and the command line."""

import gzip
import json
import os
import random
from pathlib import Path

import pytest
from typer.testing import CliRunner

from artifacts.errors import StoreError
from artifacts.locks import locked
from feeds.cli import app
from feeds.columns.mapping import read_mapping
from feeds.errors import FeedError, MappingError, RefusedFeedError
from tests.feeds.conftest import Import

SHOP = (
    "name,main_category,sub_category,image,link,ratings,discount_price,actual_price\n"
    + "".join(
        f'"Headphones {n % 7} | long title",audio,headphones,https://a.example/{n % 7}.jpg,https://s.example/{n},3.{n},'
        f'"₹{n + 1},999","₹{n + 2},499"\n'
        for n in range(9)
    )
    + "N/A,,,,,,,\n"
)


def test_a_feed_without_ids_gets_stable_ones_and_repeats_are_grouped(importing: Import) -> None:
    result = importing(SHOP)
    first = result.products[0]
    assert (first["price"], first["list_price"], first["currency"]) == (1999.0, 2499.0, "INR")
    assert (first["category"], first["ratings"]) == (["audio > headphones"], 3.0)
    assert result.imported.summary.repeats["products"] == 2
    assert result.column("repeat_group")[7:9] == result.column("product_id")[:2]
    assert "no column of ids" in result.imported.summary.notes[0]
    ids = {row["link"]: row["product_id"] for row in result.products}
    assert len(set(ids.values())) == 9

    header, *rows = SHOP.splitlines()
    again = importing("\n".join([header, *reversed(rows)]).replace("3.5", "3.6"))
    assert {row["link"]: row["product_id"] for row in again.products} == ids


def test_an_old_price_beside_the_price_and_names_with_asides(importing: Import) -> None:
    result = importing(
        "Product ID;Name *;Price (incl. VAT);Old price;Image URLs (x,y,z...)\n1;Mug;8,50;10,00;https://a.example/1.jpg\n2;Pot;9,00;;\n"
    )
    assert [(row["product_id"], row["title"], row["price"], row["list_price"]) for row in result.products] == [
        ("1", "Mug", 8.5, 10.0),
        ("2", "Pot", 9.0, None),
    ]
    assert result.column("image") == ["https://a.example/1.jpg", None]


def test_a_mapping_is_saved_and_given_again(importing: Import, tmp_path: Path) -> None:
    feed = "sku,caption,extra\nA,Red mug,x\nB,Blue pot,y\n"
    result = importing(feed, columns={"title": ["extra"], "brand": ["caption"]}, currency="EUR")
    assert result.products[0]["brand"] == "Red mug"
    saved = read_mapping(result.shop / "mapping.json")
    assert saved.columns["title"] == ["extra"]
    assert saved.currency == "EUR"
    (tmp_path / "bad.json").write_text('{"columns": {"colour": ["x"]}}')
    with pytest.raises(MappingError, match="colour is no field"):
        read_mapping(tmp_path / "bad.json")
    (tmp_path / "bad.json").write_text('{"currency": ["EUR"]}')
    with pytest.raises(MappingError, match="is no currency"):
        read_mapping(tmp_path / "bad.json")
    with pytest.raises(MappingError, match="no column 'nothing'"):
        importing(feed, columns={"title": ["nothing"]})


def test_a_feed_whose_rows_are_mostly_unusable_is_refused(importing: Import, tmp_path: Path) -> None:
    importing("id,name\n1,Mug\n")
    before = (tmp_path / "shop/catalog.parquet").read_bytes()
    rows = "".join(f"{n},\n" for n in range(40)) + "".join(f"{n},Mug\n" for n in range(40, 60))
    with pytest.raises(RefusedFeedError, match=r"40 of 60 rows cannot be used.*no title.*id=id"):
        importing("id,name\n" + rows)
    assert (tmp_path / "shop/catalog.parquet").read_bytes() == before
    report = json.loads((tmp_path / "shop/refused/report.json").read_text())
    assert report["unusable_rows"] == 40
    assert len((tmp_path / "shop/refused/issues.csv").read_text().splitlines()) == 41
    importing("id,name\n1,Mug\n")
    assert not (tmp_path / "shop/refused").exists()


def test_a_catalogue_that_no_import_wrote_is_left_alone(importing: Import, tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/catalog.parquet").write_bytes(b"mine")
    with pytest.raises(FeedError, match="no import wrote"):
        importing("id,name\n1,Mug\n")
    assert (tmp_path / "shop/catalog.parquet").read_bytes() == b"mine"


def test_issues_are_sorted_by_line_however_they_are_found(importing: Import) -> None:
    feed = 'id,name,price,"ex""tra"\n1,Mug,a,\n2,Pot,b,x,c\n3,,c,\n4,Lid,"d ""\nd",\n"5\n\r\né",Pan,e,\n6,Cup,1,x,y\n'
    issues = importing(feed).issues
    assert [(int(issue["line"]), issue["value"], issue["product_id"]) for issue in issues] == [
        (2, "a", "1"), (3, "2 | Pot | b | x | c", ""), (4, "3", ""), (5, 'd " d', "4"), (7, "e", "5\n\r\né"),
        (10, "6 | Cup | 1 | x | y", ""),
    ]  # fmt: skip


def test_what_a_killed_import_left_is_removed_unless_another_one_runs(importing: Import, tmp_path: Path) -> None:
    left = tmp_path / "shop/.import.killed"
    left.mkdir(parents=True)
    (left / "0.arrow").write_bytes(b"rows")
    with locked(tmp_path / "shop/.lock", 0), pytest.raises(StoreError, match="another process"):
        importing("id,name\n1,Mug\n")
    assert left.exists()
    importing("id,name\n1,Mug\n")
    assert list((tmp_path / "shop").glob(".import.*")) == []


def test_rows_that_are_short_by_habit_are_products(importing: Import) -> None:
    rows = "".join(f"{n},Mug {n}\n" if n % 3 else f"{n},Mug {n},blue\n" for n in range(200))
    result = importing("id,name,colour\n" + rows)
    assert len(result.products) == 200
    assert "fewer cells" in result.imported.summary.notes[0]


def test_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "feed.csv").write_text("nr;caption;cost\n1;Red mug;5 EUR\n2;Blue pot;x\n")
    run = CliRunner().invoke
    feed, shop = str(tmp_path / "feed.csv"), str(tmp_path / "shop")

    shown = run(app, ["columns", feed, "--map", "title=caption"])
    assert shown.exit_code == 0
    assert "caption  map" in shown.output

    done = run(app, ["import", feed, "--out", shop, "--map", "title=caption", "--map", "price=cost"])
    assert done.exit_code == 0, done.output
    assert "2 rows, 2 products" in done.output
    assert "1 cell that cannot be used: 1 not a price (cost)" in done.output
    report = json.loads((tmp_path / "shop/report.json").read_text())
    assert (report["products"], report["fields"][0]["samples"]) == (2, ["1", "2"])
    assert report["issues"][0]["examples"] == [{"line": 3, "value": "x", "product_id": "2"}]
    assert "| 1 | cell | cost | not a price | 3: x |" in (tmp_path / "shop/report.md").read_text()

    again = run(app, ["import", feed, "--out", shop, "--mapping", f"{shop}/mapping.json"])
    assert again.exit_code == 0

    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(random.Random(0).randbytes(200_000).hex().encode())[:-9000])
    cut = run(app, ["import", str(tmp_path / "cut.csv.gz"), "--out", shop])
    assert (cut.exit_code, "end-of-stream" in cut.output) == (2, True)
    for name in ("utf-88", "undefined"):
        unknown = run(app, ["import", feed, "--out", shop, "--encoding", name])
        assert (unknown.exit_code, f"{name} is not the name" in unknown.output) == (2, True)

    wrong = run(app, ["import", feed, "--out", shop, "--map", "colour=cost"])
    assert wrong.exit_code == 2
    assert "colour is no field" in wrong.output


def test_a_price_list_that_no_program_writes(importing: Import) -> None:
    result = importing(
        "Product listing 2026-11-30||||||||\n"
        "Art. code|Desc|Colour Family|Our price £|Was|Pic|In stock Y/N|Cat1|Cat2\n"
        "10-0042|Garden hose 15m, green|Green|£24.99|£30.00|https://a.example/h.jpg|Y|Garden|Watering\n"
        '10-0043|Gnome 12" tall|Multi|POA|||N|Garden|Decor\n'
    )
    hose, gnome = result.products
    assert (hose["product_id"], hose["title"], hose["category"]) == (
        "10-0042",
        "Garden hose 15m, green",
        ["Garden > Watering"],
    )
    assert (hose["price"], hose["list_price"], hose["currency"], hose["in_stock"]) == (24.99, 30.0, "GBP", True)
    assert (gnome["price"], gnome["in_stock"], gnome["image"]) == (None, False, None)
    assert result.lines("cell") == {4: "not a price"}


def test_a_feed_may_have_any_file_name(tmp_path: Path) -> None:
    feed = tmp_path / os.fsdecode(b"f\xff\n.csv")  # not UTF-8, and with a line break
    feed.write_text("nr;caption\n1;Red mug\n")
    imported = CliRunner().invoke(app, ["import", str(feed), "--out", str(tmp_path / "shop")])
    assert imported.exit_code == 0, imported.output
    assert json.loads((tmp_path / "shop" / "report.json").read_text(encoding="utf-8"))["feed"] == "f\\udcff .csv"
