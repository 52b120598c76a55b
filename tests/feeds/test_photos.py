"""Photos: entries of feeds, files beside them, and folders named by id or by row."""

from pathlib import Path

import pytest

from artifacts.catalog import read_catalog
from feeds.errors import RefusedFeedError
from feeds.importing import Options
from feeds.products.photos import split_photos
from tests.feeds.conftest import Import


def files(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"a photo")
    return folder


def test_entries_in_every_form_that_feeds_have(importing: Import, tmp_path: Path) -> None:
    files(tmp_path, "a.jpg", "sub/b.JPG", "photo.heic")
    entries = [
        "a.jpg", "a.jpg ", " https://cdn.example/a.jpg", "//cdn.example/a.jpg", "www.example.com/a.jpg",
        "data:image/png;base64,AAAA", "N/A", "   ", "photo.heic", "missing.jpg", "../feed.csv", "ftp://x.example/a.jpg",
        "sub\\b.JPG",
    ]  # fmt: skip
    result = importing("id\tname\timage\n" + "\n".join(f"{n}\tMug {n}\t{entry}" for n, entry in enumerate(entries)))
    assert result.column("image") == [
        "photos/a.jpg", "photos/a.jpg", "https://cdn.example/a.jpg", "https://cdn.example/a.jpg",
        "https://www.example.com/a.jpg", *[None] * 7, "photos/sub/b.JPG",
    ]  # fmt: skip
    assert result.lines("cell").keys() == {7, 10, 11, 12, 13}
    assert result.imported.summary.photos["with_photo"] == 6
    read_catalog(result.shop / "catalog.parquet")
    assert (result.shop / "photos/a.jpg").read_bytes() == b"a photo"


@pytest.mark.parametrize(
    ("text", "photos"),
    [
        ("https://a.example/1.jpg, https://a.example/2.jpg", 2), ("https://a.example/1.jpg|https://a.example/2.jpg", 2),
        ('["https://a.example/1.jpg", "https://a.example/2.jpg"]', 2), ("https://a.example/x,y;z.jpg", 1),
        ("https://a.example/1.jpg https://a.example/2.jpg", 2), ("a.jpg, b.jpg;c.webp", 3), ("my photo, blue.jpg", 1),
        ("a.jpg" + " , " * 50_000 + "b.jpg", 2),
    ],
)  # fmt: skip
def test_several_photos_in_one_cell(text: str, photos: int) -> None:
    assert len(split_photos(text)) == photos


def test_a_folder_named_by_id_or_by_row(importing: Import, tmp_path: Path) -> None:
    feed = "id,name\nA-1,Mug\nA,Pot\nB/2,Pan\nC,Lid\n"
    by_id = files(tmp_path / "by_id", "A-1.jpg", "A-2.png", "a.jpg", "C/x.jpg", "C/y.jpg", "other.jpg", "notes.txt")
    result = importing(feed, options=Options(photos=by_id))
    assert [(row["image"], row["more_images"]) for row in result.products] == [
        ("photos/A-1.jpg", None), ("photos/A-2.png", ["photos/a.jpg"]), (None, None),
        ("photos/C/x.jpg", ["photos/C/y.jpg"]),
    ]  # fmt: skip

    by_row = files(tmp_path / "by_row", "0001.jpg", "2.jpg", "4_1.jpg", "5.jpg")
    result = importing(feed, options=Options(photos=by_row))
    assert result.column("image") == ["photos/0001.jpg", "photos/2.jpg", None, "photos/4_1.jpg"]
    assert result.imported.summary.photos["from_folder"] == "by row"

    with pytest.raises(RefusedFeedError, match="none is named by the id"):
        importing(feed, options=Options(photos=files(tmp_path / "none", "x.jpg")))


def test_a_name_that_no_file_can_have_costs_one_photo(importing: Import) -> None:
    result = importing(f"id,name,image\n1,Mug,{'a' * 300}.jpg\n2,Pot,https://a.example/2.jpg\n")
    assert result.column("image") == [None, "https://a.example/2.jpg"]
    assert result.lines("cell") == {2: "no such file beside the feed, nor in --photos"}


def test_photos_of_which_none_can_be_used_are_an_error(importing: Import) -> None:
    feed = "id,name,image\n1,Mug,1.jpg\n2,Pot,2.jpg\n"
    with pytest.raises(RefusedFeedError, match="--without-photos"):
        importing(feed)
    assert importing(feed, options=Options(without_photos=True)).column("image") == [None, None]


def test_a_refused_feed_leaves_the_photos_of_the_shop_as_they_were(importing: Import, tmp_path: Path) -> None:
    files(tmp_path, "old/1.jpg", "new/1.jpg", "new/2.jpg")
    (tmp_path / "new/1.jpg").write_bytes(b"another photo")
    importing("id,name\n1,Mug\n", options=Options(photos=tmp_path / "old"))
    rows = "1,Mug\n2,Pot\n" + "".join(f"{n},\n" for n in range(40, 80))
    with pytest.raises(RefusedFeedError):
        importing("id,name\n" + rows, options=Options(photos=tmp_path / "new"))
    photos = tmp_path / "shop/photos"
    assert {path.name: path.read_bytes() for path in photos.iterdir()} == {"1.jpg": b"a photo"}


def test_files_of_one_name_behind_links_are_kept_apart(
    importing: Import, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    camera = files(tmp_path_factory.mktemp("camera"), "mug/main.jpg", "pot/main.jpg")
    (camera / "pot/main.jpg").write_bytes(b"a pot")
    by_id = files(tmp_path / "by_id", "readme.txt")
    (by_id / "1.jpg").symlink_to(camera / "mug/main.jpg")
    (by_id / "2.jpg").symlink_to(camera / "pot/main.jpg")
    result = importing("id,name\n1,Mug\n2,Pot\n", options=Options(photos=by_id))
    assert [(result.shop / image).read_bytes() for image in result.column("image")] == [b"a photo", b"a pot"]
