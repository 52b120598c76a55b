"""Resized photos: only from the folder, always up to date, in bounded memory, with a limit on how many wait."""

import asyncio
import io
import os
import threading
from pathlib import Path

import pytest
from PIL import Image

from service.core.bounded_cache import ENTRY_BYTES
from service.core.errors import NoPhotoError, OverloadedError
from service.photo_decoding.photo_decoder import PhotoDecoder
from service.shop_data import photos as module
from service.shop_data.photos import Photos, Picture
from tests.support.photos import noise, write_photos
from towers.photos import MAX_PHOTO_BYTES


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shop = tmp_path / "shop"
    write_photos(shop, 4)
    return shop


def get(photos: Photos, image: str | None, edge: int = 10) -> Picture:
    return asyncio.run(photos.picture(image, edge))


def test_a_photo_is_resized(folder: Path) -> None:
    picture = get(Photos(folder, 1_000_000), "images/0.png")
    image = Image.open(io.BytesIO(picture.content))
    assert (image.format, image.size) == ("WEBP", (8, 10))


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (None, "the catalogue names no photo of the product"),
        ("images/none.png", "the product's photo cannot be shown: missing"),
        ("images", "the product's photo cannot be shown: unreadable"),
        ("../secret.png", "the product's photo cannot be shown: outside"),
        ("images/../../secret.png", "the product's photo cannot be shown: outside"),
        ("link.png", "the product's photo cannot be shown: outside"),
        ("linked/secret.png", "the product's photo cannot be shown: outside"),
        ("https://example.com/a.png", "the product's photo cannot be shown: url"),
        ("file:///etc/passwd", "the product's photo cannot be shown: bad-url"),
        ("a\0b", "the product's photo cannot be shown: unreadable"),
        ("catalog.parquet", "the product's photo cannot be shown: not-an-image"),
        ("loop.png", "the product's photo cannot be shown: unreadable"),
    ],
)
def test_nothing_else_is_shown(folder: Path, image: str | None, words: str) -> None:
    noise(9, 9).save(folder.parent / "secret.png")
    (folder / "link.png").symlink_to(folder.parent / "secret.png")
    (folder / "linked").symlink_to(folder.parent)
    (folder / "loop.png").symlink_to(folder / "loop.png")
    (folder / "catalog.parquet").write_bytes(b"PAR1 and more")
    with pytest.raises(NoPhotoError) as caught:
        get(Photos(folder, 1_000_000), image)
    assert str(caught.value) == words


def test_a_hostile_file_costs_only_its_own_thumbnail(folder: Path) -> None:
    Image.new("RGB", (400_000, 1)).save(folder / "line.png")
    Image.new("RGB", (6_000, 4_000)).save(folder / "huge.png")
    damaged = bytearray((folder / "images/1.png").read_bytes())
    damaged[damaged.index(b"IDAT") + 9] ^= 1
    (folder / "damaged.png").write_bytes(damaged)
    os.mkfifo(folder / "pipe.png")
    with (folder / "long.png").open("wb") as file:
        file.truncate(MAX_PHOTO_BYTES + 1)
    photos = Photos(folder, 1_000_000)
    for name, reason in (
        ("line.png", "too-long"),
        ("huge.png", "too-large"),
        ("damaged.png", "unreadable"),
        ("pipe.png", "unreadable"),
        ("long.png", "too-large"),
    ):
        with pytest.raises(NoPhotoError, match=f"cannot be shown: {reason}$"):
            get(photos, name)
    assert get(photos, "images/1.png").content
    photos.stop()


def test_a_folder_that_becomes_a_link_to_outside_is_left(folder: Path) -> None:
    photos = Photos(folder, 0)
    get(photos, "images/0.png")
    outside = folder.parent / "outside"
    (folder / "images").rename(outside)
    (folder / "images").symlink_to(outside)
    with pytest.raises(NoPhotoError, match="outside"):
        get(photos, "images/0.png")


def test_without_a_folder_there_are_no_photos() -> None:
    photos = Photos(None, 1_000_000)
    assert not photos.are_shown
    with pytest.raises(NoPhotoError, match="VITRINE_PHOTOS names their folder"):
        get(photos, "images/0.png")


def test_a_photo_is_made_once_until_its_file_changes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = _count_thumbnails(monkeypatch)
    photos = Photos(folder, 1_000_000)
    first = get(photos, "images/0.png")
    assert get(photos, "images/0.png") is first
    assert get(photos, "images/0.png", 12).tag != first.tag
    assert len(made) == 2
    noise(30, 30, seed=5).save(folder / "images/0.png")
    assert get(photos, "images/0.png").tag != first.tag
    assert len(made) == 3


def test_what_was_not_used_for_longest_goes_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unlimited = Photos(folder, 1_000_000)
    sizes = [len(get(unlimited, f"images/{number}.png").content) for number in range(4)]
    made = _count_thumbnails(monkeypatch)
    photos = Photos(folder, sum(sizes) + 4 * ENTRY_BYTES + 500)  # the keys take a little more than these 500
    for number in (0, 1, 2, 0, 3):  # the fourth takes the place of the second
        get(photos, f"images/{number}.png")
    assert len(made) == 4
    for number in (0, 2, 3):
        get(photos, f"images/{number}.png")
    assert len(made) == 4
    get(photos, "images/1.png")
    assert len(made) == 5


def test_too_many_at_a_time_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go = threading.Event()
    monkeypatch.setattr(module, "_MOST_WAITING", 3)
    photos = Photos(folder, 1_000_000)
    monkeypatch.setattr(photos, "_make", lambda *_: go.wait(60) and Picture(b"", ""))

    async def ask_four() -> list[Picture | BaseException]:
        asked = [asyncio.ensure_future(photos.picture("images/0.png", 10)) for _ in range(4)]
        await asyncio.wait({asked[3]}, timeout=60)
        assert [task.done() for task in asked] == [False, False, False, True]
        go.set()
        return await asyncio.gather(*asked, return_exceptions=True)

    *answered, refused = asyncio.run(ask_four())
    assert answered == [Picture(b"", "")] * 3
    assert isinstance(refused, OverloadedError) and str(refused).startswith("3 photos are waited for already")
    assert asyncio.run(photos.picture("images/0.png", 10)) == Picture(b"", "")


def _count_thumbnails(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    made: list[str] = []
    real = PhotoDecoder.thumbnail

    def counted(self: PhotoDecoder, content: bytes, name: str, edge: int, quality: int) -> bytes:
        made.append(name)
        return real(self, content, name, edge, quality)

    monkeypatch.setattr(PhotoDecoder, "thumbnail", counted)
    return made
