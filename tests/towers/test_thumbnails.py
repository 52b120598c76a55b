"""Small pictures: whole, upright, never enlarged, and refused by the header where they are too large."""

import base64
import io
import os
from pathlib import Path

import pytest
from PIL import ExifTags, Image

from tests.support.photos import noise
from towers.errors import PhotoError
from towers.thumbnails import thumbnail, thumbnail_of, thumbnail_uri


def opened(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    assert image.format == "WEBP"
    return image


@pytest.mark.parametrize(
    ("size", "expected"),
    [((300, 600), (84, 168)), ((600, 300), (168, 84)), ((50, 20), (50, 20)), ((2000, 101), (168, 8))],
)
def test_the_longest_edge_fits(tmp_path: Path, size: tuple[int, int], expected: tuple[int, int]) -> None:
    noise(*size).save(tmp_path / "photo.png")
    assert opened(thumbnail(tmp_path / "photo.png", 168, 80)).size == expected


def test_a_photo_is_turned_upright(tmp_path: Path) -> None:
    turned = Image.Exif()
    turned[ExifTags.Base.Orientation] = 6
    noise(600, 300).save(tmp_path / "turned.jpg", exif=turned)
    assert opened(thumbnail(tmp_path / "turned.jpg", 168, 80)).size == (84, 168)
    content = (tmp_path / "turned.jpg").read_bytes()
    assert thumbnail_of(content, "turned.jpg", 168, 80) == thumbnail(tmp_path / "turned.jpg", 168, 80)


def test_it_shows_the_photo(tmp_path: Path) -> None:
    photo = noise(300, 300)
    photo.save(tmp_path / "photo.png")
    small = opened(thumbnail(tmp_path / "photo.png", 60, 95)).convert("RGB")
    expected = photo.resize((60, 60), Image.Resampling.BICUBIC)
    differences = [abs(one - other) for one, other in zip(small.tobytes(), expected.tobytes(), strict=True)]
    assert sum(differences) / len(differences) < 4


def test_what_cannot_be_shown_is_refused(tmp_path: Path) -> None:
    noise(400, 1).save(tmp_path / "long.png")
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff broken")
    os.mkfifo(tmp_path / "pipe.jpg")  # to open it would wait for ever
    for name, reason in (
        ("long.png", "too-long"),
        ("missing.png", "missing"),
        ("text.jpg", "not-an-image"),
        ("broken.jpg", "unreadable"),
        ("pipe.jpg", "unreadable"),
    ):
        with pytest.raises(PhotoError) as caught:
            thumbnail(tmp_path / name, 20, 80)
        assert caught.value.reason == reason, name


def decoded(uri: str | None) -> Image.Image:
    assert uri is not None
    return opened(base64.b64decode(uri.removeprefix("data:image/webp;base64,")))


def test_in_a_page_it_is_the_whole_photo_in_its_proportions(tmp_path: Path) -> None:
    noise(300, 600).save(tmp_path / "tall.png")
    turned = Image.Exif()
    turned[ExifTags.Base.Orientation] = 6
    noise(600, 300).save(tmp_path / "turned.jpg", exif=turned)
    assert decoded(thumbnail_uri(tmp_path, "tall.png")).size == (84, 168)
    assert decoded(thumbnail_uri(tmp_path, "turned.jpg")).size == (84, 168)


def test_what_is_no_usable_photo_has_no_thumbnail_uri(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")
    noise(8, 8).save(tmp_path.parent / "outside.png")
    for image in (None, "https://example.com/a.jpg", "missing.png", "broken.jpg", "../outside.png", "\0"):
        assert thumbnail_uri(tmp_path, image) is None, image
