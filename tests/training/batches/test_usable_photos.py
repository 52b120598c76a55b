"""Which products have a photo that a fit can read."""

from pathlib import Path

import pyarrow as pa

from artifacts.catalog import Catalog
from training.batches.usable_photos import count_photos, describe_unusable, has_usable_photo

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


def catalog(folder: Path, images: list[str | None], more: list[list[str]] | None = None) -> Catalog:
    table = {"product_id": [str(row) for row in range(len(images))], "title": ["t"] * len(images)}
    columns = {**table, "image": pa.array(images, pa.string())}
    return Catalog(folder / "catalog.parquet", pa.table({**columns, "more_images": more} if more else columns))


def test_products_are_counted_by_what_their_photos_are(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    (tmp_path / "page.jpg").write_bytes(b"<html>not found</html>")
    (tmp_path / "folder.jpg").mkdir()
    images = ["a.png", "page.jpg", "gone.jpg", "folder.jpg", "../a.png", "https://cdn.example/a.png", None]
    counts = count_photos(catalog(tmp_path, images))
    assert counts == dict.fromkeys(("usable", "not-an-image", "missing", "unreadable", "outside", "url", "absent"), 1)
    assert describe_unusable(counts).split(", ")[0] == "1 not-an-image" and "usable" not in describe_unusable(counts)


def test_one_of_several_photos_is_enough(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    assert count_photos(catalog(tmp_path, ["gone.jpg", "gone.jpg"], [["a.png"], []])) == {"usable": 1, "missing": 1}


def test_whether_there_is_any(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    assert has_usable_photo(catalog(tmp_path, [None, "a.png"]))
    assert not has_usable_photo(catalog(tmp_path, [None, "https://cdn.example/a.png"]))
