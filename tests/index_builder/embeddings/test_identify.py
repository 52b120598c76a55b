"""Which vectors the products of a catalogue need."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from artifacts.catalog import CatalogStream, open_catalog
from index_builder.core.keys import NO_PHOTO, content_identity, product_key, url_identity
from index_builder.embeddings.identify import identify_products
from index_builder.photos.photo_identity import PhotoIdentities, identity_of_file


def a_shop(folder: Path, titles: list[str | None], images: list[str | None]) -> CatalogStream:
    """A catalogue of two files, whose photos "a" and "copy" are equal."""
    folder.mkdir()
    for name, content in {"a": b"1", "b": b"2", "copy": b"1"}.items():
        (folder / name).write_bytes(content)
    table = pa.table({"product_id": [f"p{n}" for n in range(len(titles))], "title": titles, "image": images})
    pq.write_table(table.slice(0, 2), folder / "0.parquet")
    pq.write_table(table.slice(2), folder / "1.parquet")
    return open_catalog(folder)


TITLES = ["x", "x", "x", "y", None, "x", "x", "x", "x"]
IMAGES = ["a", "b", "copy", "a", "", None, "no", "http://shop.example/1", "../out"]


def test_keys_say_title_and_photo(tmp_path: Path) -> None:
    shop = a_shop(tmp_path / "shop", TITLES, IMAGES)
    found = identify_products(shop, PhotoIdentities(shop.folder))
    a, b = (identity_of_file(shop.folder, name) for name in "ab")
    photos = [a, b, a, a, NO_PHOTO, NO_PHOTO, NO_PHOTO, url_identity("http://shop.example/1"), NO_PHOTO]
    expected = [product_key(title or "", photo) for title, photo in zip(TITLES, photos, strict=True)]
    assert [key.tobytes() for key in found.keys] == expected
    assert a == content_identity(bytes.fromhex("6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"))


def test_photos_that_are_not_to_be_had_are_named_with_their_reasons(tmp_path: Path) -> None:
    shop = a_shop(tmp_path / "shop", TITLES, IMAGES)
    found = identify_products(shop, PhotoIdentities(shop.folder))
    assert {row: (photo.reason, photo.attempts) for row, (photo,) in found.refused.items()} == {
        6: ("missing", 1),
        8: ("outside", 1),
    }
    assert found.by_url.tolist() == [False] * 7 + [True, False]


def test_a_model_that_reads_no_photos_looks_at_none(tmp_path: Path) -> None:
    found = identify_products(a_shop(tmp_path / "shop", TITLES, IMAGES), None)
    assert [key.tobytes() for key in found.keys] == [product_key(title or "", NO_PHOTO) for title in TITLES]
    assert not found.refused and not found.by_url.any()
