"""Photos to pixels: as open_clip makes them, whatever the shop's files look like."""

import io
import os
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import open_clip
import pytest
import torch
from PIL import Image

from tests.support.photos import noise
from tests.towers.picture_files import MEAN, SIXTEEN, STD, encoded, reading
from towers import photo_resize
from towers.errors import PhotoError
from towers.photos import (
    SIGNATURE_BYTES,
    is_picture,
    is_url,
    load_photo,
    photo_path,
    read_photo,
)
from towers.pixels import normalise_photos
from towers.thumbnails import thumbnail

Pixels = npt.NDArray[np.uint8]


SIZES = [(40, 30), (30, 40), (101, 33), (33, 101), (16, 16), (7, 50), (15, 17), (300, 20), (31, 16), (9, 5)]
TARGETS = [(16, 16), (20, 15), (15, 20), (17, 17)]


@pytest.mark.parametrize("target", TARGETS, ids=str)
@pytest.mark.parametrize(
    ("mode", "interpolation"),
    [(mode, kind) for mode in ("shortest", "longest", "squash") for kind in ("bicubic", "bilinear")],
)
def test_pixels_are_open_clips(tmp_path: Path, target: tuple[int, int], mode: str, interpolation: str) -> None:
    if mode == "shortest" and target[0] != target[1]:
        interpolation = "bicubic"  # open_clip does not hear the other one here
    transform = open_clip.image_transform(
        target, is_train=False, mean=MEAN, std=STD, resize_mode=mode, interpolation=interpolation
    )
    photo = reading(*target, mode, interpolation)
    for width, height in SIZES:
        image = noise(width, height, seed=width)
        image.save(tmp_path / "photo.png")
        pixels = load_photo(tmp_path / "photo.png", photo)
        assert pixels.shape == (*target, 3)
        ours = normalise_photos(torch.from_numpy(pixels.copy())[None], photo)[0]
        torch.testing.assert_close(ours, transform(image), atol=1e-5, rtol=0, msg=f"of {width} x {height}")


def saved(image: Image.Image, path: Path, **options: object) -> Pixels:
    """The pixels of an image that was saved and loaded at its own size."""
    image.save(path, **options)
    return load_photo(path, reading(image.height, image.width))


TURNS = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}  # the tag's meaning, as Pillow numbers transpositions


@pytest.mark.parametrize("suffix", ["png", "tiff", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_rotation_by_exif_is_applied_once(tmp_path: Path, orientation: int, suffix: str) -> None:
    image, exif = noise(12, 20), Image.Exif()
    expected = image if orientation == 1 else image.transpose(Image.Transpose(TURNS[orientation]))
    exif[274] = orientation
    image.save(tmp_path / f"photo.{suffix}", exif=exif, lossless=True)
    pixels = load_photo(tmp_path / f"photo.{suffix}", reading(expected.height, expected.width))
    np.testing.assert_array_equal(pixels, np.asarray(expected))


@pytest.mark.parametrize("mode", ["shortest", "longest", "squash"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_that_is_resized_by_parts_looks_as_if_it_were_not(
    monkeypatch: pytest.MonkeyPatch, orientation: int, mode: str
) -> None:
    colours = np.random.default_rng(1).integers(0, 256, (90, 130, 4), dtype=np.uint8)
    exif = Image.Exif()
    exif[274] = orientation
    for image in (Image.fromarray(colours), Image.fromarray(colours).convert("P"), Image.fromarray(colours[:80, :10])):
        content = encoded(image, exif=exif)
        whole = read_photo(content, "x", reading(24, 16, mode)).astype(int)
        with monkeypatch.context() as context:
            context.setattr(photo_resize, "_WHOLE_PIXELS", 0)
            context.setattr(photo_resize, "_PART_PIXELS", 1000)
            by_parts = read_photo(content, "x", reading(24, 16, mode)).astype(int)
        assert np.abs(whole - by_parts).max() <= (1 if image.width > 10 else 24)


BROKEN_EXIF = {
    "no numbers": b"Exif\0\0" + b"\xff" * 40,
    "cut short": b"Exif\0\0MM\0*\0\0",
    "an orientation of text": b"Exif\0\0MM\0*" + struct.pack(">IHHHI4sI", 8, 1, 274, 2, 2, b"6\0\0\0", 0),
    "an unknown orientation": b"Exif\0\0MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 274, 3, 1, 99, 0, 0),
    "orientation 9": b"Exif\0\0MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 274, 3, 1, 9, 0, 0),
}


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("exif", BROKEN_EXIF.values(), ids=BROKEN_EXIF)
def test_broken_exif_does_not_spoil_a_photo(tmp_path: Path, exif: bytes) -> None:
    image = noise(12, 20)
    image.save(tmp_path / "whole.jpg")
    image.save(tmp_path / "photo.jpg", exif=exif)
    expected = load_photo(tmp_path / "whole.jpg", reading(20, 12))
    np.testing.assert_array_equal(load_photo(tmp_path / "photo.jpg", reading(20, 12)), expected)
    shown = Image.open(io.BytesIO(thumbnail(tmp_path / "photo.jpg", 20, 80)))
    assert shown.size == (12, 20)


def test_transparency_is_laid_on_white(tmp_path: Path) -> None:
    colours = np.array([[[200, 0, 0, 0], [200, 0, 0, 255], [200, 0, 0, 51]]], dtype=np.uint8)
    pixels = saved(Image.fromarray(colours), tmp_path / "photo.png")
    np.testing.assert_allclose(pixels, [[[255, 255, 255], [200, 0, 0], [244, 204, 204]]], atol=1)


def test_grey_with_transparency_is_laid_on_white(tmp_path: Path) -> None:
    grey = Image.merge("LA", [Image.new("L", (2, 1), 80), Image.fromarray(np.array([[0, 255]], np.uint8))])
    np.testing.assert_array_equal(saved(grey, tmp_path / "photo.png")[0, :, 1], [255, 80])


@pytest.mark.parametrize("mode", ["RGB", "L", "P"])
def test_one_transparent_colour_is_laid_on_white(tmp_path: Path, mode: str) -> None:
    image = Image.new("RGB", (2, 1), (51, 51, 51))
    image.putpixel((0, 0), (204, 204, 204))
    image = image.convert(mode)
    pixels = saved(image, tmp_path / "photo.png", transparency=image.getpixel((0, 0)))
    np.testing.assert_array_equal(pixels, [[[255] * 3, [51] * 3]])


@pytest.mark.parametrize("mode", ["L", "P", "1"])
def test_other_modes_become_colours(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(np.array([[0, 255], [255, 0]], np.uint8)).convert(mode)
    np.testing.assert_array_equal(saved(image, tmp_path / "photo.png")[..., 2], [[0, 255], [255, 0]])


def test_a_palette_gives_its_colours(tmp_path: Path) -> None:
    image = noise(16, 16).quantize(8)
    np.testing.assert_array_equal(saved(image, tmp_path / "photo.png"), np.asarray(image.convert("RGB")))


def test_inks_become_colours(tmp_path: Path) -> None:
    red = Image.new("CMYK", (4, 4), (0, 255, 255, 0))
    pixels = saved(red, tmp_path / "photo.jpg", quality=95)
    np.testing.assert_allclose(pixels.reshape(-1, 3).mean(axis=0), [255, 0, 0], atol=6)


def test_sixteen_bits_of_grey_keep_their_range(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[0, 255, 256, 32768, 65535]], dtype=np.uint16))
    np.testing.assert_array_equal(saved(image, tmp_path / "photo.png")[0, :, 0], [0, 0, 1, 128, 255])


@pytest.mark.parametrize("mode", ["LA", "PA", "RGBA", "CMYK", "YCbCr"])
def test_modes_of_tiff_become_colours(tmp_path: Path, mode: str) -> None:
    image = Image.new("RGB", (4, 4), (200, 100, 50)).convert("L" if mode == "LA" else "RGB")
    pixels = saved(image.convert(mode), tmp_path / "photo.tiff")
    np.testing.assert_allclose(pixels, np.asarray(image.convert("RGB")), atol=5)


@pytest.mark.parametrize("kind", [np.int32, np.float32])
def test_numbers_of_no_known_range_are_no_colours(tmp_path: Path, kind: type[np.generic]) -> None:
    path = tmp_path / "photo.tiff"
    Image.fromarray(np.full((4, 4), 40_000, dtype=kind)).save(path)
    with pytest.raises(PhotoError, match=r"its numbers \(mode [IF]\) are of no known range") as caught:
        load_photo(path, SIXTEEN)
    assert caught.value.reason == "unreadable"


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_of_an_animation_the_first_frame_counts(tmp_path: Path, suffix: str) -> None:
    first, second = Image.new("RGB", (8, 8), "red"), Image.new("RGB", (8, 8), "blue")
    options = {"lossless": True} if suffix == "webp" else {}
    pixels = saved(first, tmp_path / f"photo.{suffix}", save_all=True, append_images=[second], duration=50, **options)
    assert (pixels == [255, 0, 0]).all()


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "gif", "bmp", "tiff", "avif"])
def test_what_shops_publish_is_read(tmp_path: Path, suffix: str) -> None:
    image = noise(48, 32)
    path = tmp_path / f"photo.{suffix}"
    pixels = saved(image, path)
    assert np.abs(pixels.astype(float) - np.asarray(image)).mean() < 12
    assert is_picture(path.read_bytes()[:SIGNATURE_BYTES])
    np.testing.assert_array_equal(read_photo(path.read_bytes(), "url", reading(32, 48)), pixels)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "gif", "bmp", "tiff", "avif"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_what_breaks_off_is_unreadable(tmp_path: Path, suffix: str, share: float) -> None:
    path = tmp_path / f"photo.{suffix}"
    rng = np.random.default_rng(1)
    Image.fromarray(rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)).save(path)
    content = path.read_bytes()
    with pytest.raises(PhotoError) as caught:
        read_photo(content[: max(SIGNATURE_BYTES, int(share * len(content)))], "url", SIXTEEN)
    assert caught.value.reason == "unreadable"
    assert str(caught.value).startswith("url is no readable picture: ")


def test_a_large_jpeg_may_be_decoded_smaller_but_looks_the_same(tmp_path: Path) -> None:
    image = noise(640, 480)
    image.save(tmp_path / "photo.jpg", quality=95)
    expected = np.asarray(image.resize((16, 16), Image.Resampling.BICUBIC), dtype=float)
    pixels = load_photo(tmp_path / "photo.jpg", SIXTEEN)
    assert np.abs(pixels - expected).max() < 8


@pytest.mark.parametrize("mode", ["shortest", "longest", "squash"])
@pytest.mark.parametrize("size", [(1, 1), (5, 100), (900, 45), (2000, 1700)])
def test_extreme_shapes_are_read(tmp_path: Path, size: tuple[int, int], mode: str) -> None:
    noise(*size).save(tmp_path / "photo.png")
    assert load_photo(tmp_path / "photo.png", reading(16, 12, mode)).shape == (16, 12, 3)


def cut(folder: Path) -> Path:
    noise(64, 64).save(folder / "whole.png")
    (folder / "x").write_bytes((folder / "whole.png").read_bytes()[:2000])
    return folder / "x"


def empty(folder: Path) -> Path:
    (folder / "x").write_bytes(b"")
    return folder / "x"


def broken_avif(folder: Path) -> Path:
    """Whose decoder fails with an error that is no OSError."""
    noise(40, 50).save(folder / "x.avif")
    content = (folder / "x.avif").read_bytes()
    assert b"iloc" in content
    (folder / "x.avif").write_bytes(content.replace(b"iloc", bytes(4)))
    return folder / "x.avif"


@pytest.mark.parametrize("make", [cut, empty, broken_avif])
def test_broken_pictures_are_unreadable(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    path = make(tmp_path)
    with pytest.raises(PhotoError) as caught:
        load_photo(path, SIXTEEN)
    assert caught.value.reason == "unreadable"
    assert str(caught.value).startswith(f"{path} is no readable picture: ")


NO_PICTURES = {
    "a page": b"<html>404</html>",
    "a page after a blank line": b"\n<!DOCTYPE html>",
    "JSON": b'{"error": "not found"}',
    "a vector drawing": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "what Pillow runs a program for": b"%!PS-Adobe-3.0 EPSF-3.0\n",
    "sound": b"RIFF\x24\0\0\0WAVEfmt ",
    "a film": b"\0\0\0\x20ftypisom\0\0\0\0",
    "one byte": b"\xff",
}


@pytest.mark.parametrize("content", NO_PICTURES.values(), ids=NO_PICTURES)
def test_something_else_than_a_picture_is_told_apart(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.jpg"
    path.write_bytes(content)
    assert not is_picture(content)
    with pytest.raises(PhotoError) as caught:
        load_photo(path, SIXTEEN)
    assert (caught.value.reason, str(caught.value)) == (
        "not-an-image",
        f"{path} is no picture: it begins with {content[:16]!r}",
    )


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_what_is_no_file_is_unreadable_and_not_waited_for(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "x.png")
    with pytest.raises(PhotoError) as caught:
        load_photo(tmp_path / "x.png", SIXTEEN)
    assert (caught.value.reason, str(caught.value)) == ("unreadable", f"{tmp_path / 'x.png'} is no file")


def test_a_missing_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(PhotoError) as caught:
        load_photo(tmp_path / "x.png", SIXTEEN)
    assert (caught.value.reason, str(caught.value)) == ("missing", f"{tmp_path / 'x.png'} is missing")


@pytest.mark.parametrize("image", ["a.png", "images/a.png", "./images/../a.png", "not there.png", "é.jpg"])
def test_paths_inside_the_folder_are_taken(tmp_path: Path, image: str) -> None:
    assert photo_path(tmp_path, image) == tmp_path / image


URL = "{image} is a URL; only photos beside the catalogue are read"
OUTSIDE = "{image} lies outside of {folder}"


@pytest.mark.parametrize(
    ("image", "reason", "message"),
    [
        ("http://shop/a.png", "url", URL),
        ("https://shop/a.png", "url", URL),
        ("HTTPS://shop/a.png", "url", URL),
        ("ftp://shop/a.png", "bad-url", "{image} is no address of a photo: expected http:// or https://"),
        ("file:///etc/hostname", "bad-url", "{image} is no address of a photo: expected http:// or https://"),
        ("../a.png", "outside", OUTSIDE),
        ("images/../../a.png", "outside", OUTSIDE),
        ("/etc/hostname", "outside", OUTSIDE),
        ("../shop-2/a.png", "outside", OUTSIDE),
        ("link/a.png", "outside", OUTSIDE),
        ("link/../a.png", "outside", OUTSIDE),
        ("file-link.png", "outside", OUTSIDE),
        ("a\0.png", "unreadable", "{image!r} is no path: embedded null byte"),
    ],
)
def test_paths_that_leave_the_folder_are_refused(tmp_path: Path, image: str, reason: str, message: str) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    noise(8, 8).save(tmp_path / "a.png")
    (folder / "link").symlink_to(tmp_path)
    (folder / "file-link.png").symlink_to(tmp_path / "a.png")
    with pytest.raises(PhotoError) as caught:
        photo_path(folder, image)
    assert (caught.value.reason, str(caught.value)) == (reason, message.format(image=image, folder=folder))


@pytest.mark.parametrize(
    ("image", "expected"),
    [("http://x", True), ("HttpS://x", True), ("http:/x", False), ("httpx://x", False), ("images/http://x", False)],
)
def test_urls_are_told_from_paths(image: str, expected: bool) -> None:
    assert is_url(image) is expected


def test_a_link_to_itself_is_unreadable(tmp_path: Path) -> None:
    (tmp_path / "a.png").symlink_to(tmp_path / "a.png")
    with pytest.raises(PhotoError) as caught:
        load_photo(photo_path(tmp_path, "a.png"), SIXTEEN)
    assert caught.value.reason == "unreadable"


def test_a_link_inside_the_folder_is_followed(tmp_path: Path) -> None:
    noise(16, 16).save(tmp_path / "a.png")
    (tmp_path / "b.png").symlink_to(tmp_path / "a.png")
    pixels = load_photo(photo_path(tmp_path, "b.png"), SIXTEEN)
    np.testing.assert_array_equal(pixels, np.asarray(noise(16, 16)))
