"""Queries made from a catalogue, and what is read of its products."""

from pathlib import Path

from tests.vitrine.shops import products, write_catalog
from vitrine.self_test.products import sample_catalogue
from vitrine.self_test.queries import made_queries


def test_a_sample_has_brands_types_and_numbers_and_knows_who_shares_them(tmp_path: Path) -> None:
    sample = sample_catalogue(write_catalog(tmp_path, products()), most=10, seed=1)
    assert (sample.count, len(sample.products)) == (30, 10)
    assert sample.products == sample_catalogue(tmp_path / "catalog.parquet", most=10, seed=1).products
    one = next(product for product in sample.products if product.type == "Mugs")
    assert one.brand in ("Acme", "Bolt", "Calla") and one.gtin.startswith("40063813")
    assert sum(sample.with_brand_and_type.values()) == 30
    assert sample.with_title[one.title.lower()] == 1
    assert sample.columns.product({"product_id": "1", "title": None, "image": None}).brand_and_type == ""


def test_a_gtin_is_read_as_the_words_of_a_version_are(tmp_path: Path) -> None:
    rows = [{"product_id": "1", "title": "Mug", "image": None, "GTIN-14": 4006381333931.0, "price": 1.5}]
    (one,) = sample_catalogue(write_catalog(tmp_path, rows), most=1, seed=0).products
    assert one.gtin == "4006381333931"
    rows.append({"product_id": "2", "title": "Lamp", "image": None, "GTIN-14": float("nan"), "price": 1.5})
    assert {one.gtin for one in sample_catalogue(write_catalog(tmp_path, rows), most=2, seed=0).products} == {
        "4006381333931",
        "",
    }


def test_queries_are_of_every_kind_in_turn_and_none_twice(tmp_path: Path) -> None:
    sample = sample_catalogue(write_catalog(tmp_path, products()), most=30, seed=0)
    made = made_queries(sample.products, 20)
    assert len({one.query for one in made}) == 20
    assert {one.kind for one in made[:4]} == {
        "words of a title",
        "brand and type",
        "type and a word of a title",
        "type",
    }
    assert all(one.query == one.query.lower() and "no 1" not in one.query for one in made)


def test_a_catalogue_of_titles_alone_gives_what_it_can(tmp_path: Path) -> None:
    rows = [{key: row[key] for key in ("product_id", "title", "image")} for row in products()]
    sample = sample_catalogue(write_catalog(tmp_path, rows), most=30, seed=0)
    made = made_queries(sample.products, 20)
    assert len(made) == 20 and {one.kind for one in made} == {"words of a title"}
