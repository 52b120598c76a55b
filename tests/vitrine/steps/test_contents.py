"""Which changes of what steps read change its fingerprint."""

from pathlib import Path

import pytest

from tests.vitrine.shops import products, write_catalog
from vitrine.steps.contents import CatalogPhotos, CatalogTexts, Content, FileContent, FolderPhotos


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"price": 99.0}, True),
        ({"gtin": 1}, True),
        ({"availability": "out of stock"}, True),
        ({"title": "Another mug"}, False),
        ({"brand": "Other"}, False),
        ({"image": "a.jpg"}, False),
        ({"product_id": "other"}, False),
    ],
)
def test_numbers_of_a_catalogue_are_nothing_that_models_read(
    changes: dict[str, object], same: bool, tmp_path: Path
) -> None:
    rows = [{**row, "availability": "in stock"} for row in products()]
    before = CatalogTexts(write_catalog(tmp_path / "before", rows)).fingerprint()
    after = CatalogTexts(write_catalog(tmp_path / "after", [{**rows[0], **changes}, *rows[1:]])).fingerprint()
    assert (before == after) is same


def test_order_and_number_of_products_are(tmp_path: Path) -> None:
    rows = products()
    catalogues = {"all": rows, "fewer": rows[1:], "reversed": rows[::-1]}
    found = {CatalogTexts(write_catalog(tmp_path / name, its)).fingerprint() for name, its in catalogues.items()}
    assert len(found) == 3


def test_a_file_is_its_bytes_and_may_be_missing(tmp_path: Path) -> None:
    content = FileContent(tmp_path / "log.parquet")
    found = [content.fingerprint()]
    for text in ("a", "b", "a"):
        content.path.write_text(text)
        found.append(content.fingerprint())
    assert found[1] == found[3] and len(set(found)) == 3


def test_a_folder_is_the_bytes_and_names_of_its_files(tmp_path: Path) -> None:
    content = FileContent(tmp_path)
    (tmp_path / "deep").mkdir()
    found = [content.fingerprint()]
    (tmp_path / "deep" / "a").write_text("x")
    found.append(content.fingerprint())
    (tmp_path / "deep" / "a").rename(tmp_path / "deep" / "b")
    found.append(content.fingerprint())
    assert len(set(found)) == 3


@pytest.mark.parametrize("of_catalogue", [True, False])
def test_photos_are_told_apart_without_tables_and_what_a_call_writes(of_catalogue: bool, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    photo = tmp_path / "images" / "a.jpg"
    photo.write_bytes(b"one")
    images = ["images/a.jpg", "https://shop.example/a.jpg", "images/link.jpg", "../outside.jpg", "\0"]
    rows = [{**row, "image": image} for row, image in zip(products(), images, strict=False)]
    photos: Content = FolderPhotos(tmp_path, tmp_path / "work")
    if of_catalogue:
        photos = CatalogPhotos(write_catalog(tmp_path, rows))
    (tmp_path / "images" / "link.jpg").symlink_to("nowhere.jpg")
    before = photos.fingerprint()
    write_catalog(tmp_path, rows)
    write_catalog(tmp_path / "work", rows)
    (tmp_path / "work" / "up.json").write_text("{}")
    assert photos.fingerprint() == before
    photo.write_bytes(b"another")
    assert photos.fingerprint() != before
