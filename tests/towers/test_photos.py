"""Photos to pixels: as open_clip makes them, whatever the shop's files look like."""

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import open_clip
import pytest
import torch
from PIL import Image

from artifacts.side import PhotoInput
from tests.support.photos import noise
from towers import photos
from towers.errors import PhotoError
from towers.photos import load_photo, normalise_photos, photo_path

MEAN, STD = (0.48, 0.45, 0.40), (0.26, 0.27, 0.28)
Pixels = npt.NDArray[np.uint8]


def reading(height: int, width: int, mode: str = "squash", interpolation: str = "bicubic") -> PhotoInput:
    return PhotoInput.model_validate(
        {"height": height, "width": width, "mean": MEAN, "std": STD, "resize_mode": mode,
         "interpolation": interpolation}
    )  # fmt: skip


SIXTEEN = reading(16, 16)
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


def test_normalised_photos_are_as_written_a_second_time() -> None:
    pixels = torch.randint(0, 256, (2, 3, 4, 3), dtype=torch.uint8)
    normalised = normalise_photos(pixels, reading(3, 4))
    assert normalised.shape == (2, 3, 3, 4)
    assert normalised.dtype == torch.float32
    assert normalised.is_contiguous(memory_format=torch.channels_last)
    for n, y, x, channel in np.ndindex(2, 3, 4, 3):
        expected = (int(pixels[n, y, x, channel]) / 255 - MEAN[channel]) / STD[channel]
        assert float(normalised[n, channel, y, x]) == pytest.approx(expected, abs=1e-5)


def saved(image: Image.Image, path: Path, **options: object) -> Pixels:
    """The pixels of an image that was saved and loaded at its own size."""
    image.save(path, **options)
    return load_photo(path, reading(image.height, image.width))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_rotation_by_exif_is_applied(tmp_path: Path, orientation: int) -> None:
    image, exif = noise(12, 20), Image.Exif()
    turn = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}  # the tag's meaning, as Pillow numbers transpositions
    expected = image if orientation == 1 else image.transpose(Image.Transpose(turn[orientation]))
    exif[274] = orientation
    image.save(tmp_path / "photo.png", exif=exif)
    pixels = load_photo(tmp_path / "photo.png", reading(expected.height, expected.width))
    np.testing.assert_array_equal(pixels, np.asarray(expected))


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


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_of_an_animation_the_first_frame_counts(tmp_path: Path, suffix: str) -> None:
    first, second = Image.new("RGB", (8, 8), "red"), Image.new("RGB", (8, 8), "blue")
    options = {"lossless": True} if suffix == "webp" else {}
    pixels = saved(first, tmp_path / f"photo.{suffix}", save_all=True, append_images=[second], duration=50, **options)
    assert (pixels == [255, 0, 0]).all()


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "gif", "bmp", "tiff", "avif"])
def test_what_shops_publish_is_read(tmp_path: Path, suffix: str) -> None:
    image = noise(48, 32)
    pixels = saved(image, tmp_path / f"photo.{suffix}")
    assert np.abs(pixels.astype(float) - np.asarray(image)).mean() < 12


def test_a_large_jpeg_may_be_decoded_smaller_but_looks_the_same(tmp_path: Path) -> None:
    image = noise(640, 480)
    image.save(tmp_path / "photo.jpg", quality=95)
    expected = np.asarray(image.resize((16, 16), Image.Resampling.BICUBIC), dtype=float)
    pixels = load_photo(tmp_path / "photo.jpg", SIXTEEN)
    assert np.abs(pixels - expected).max() < 8


@pytest.mark.parametrize("mode", ["shortest", "longest", "squash"])
@pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 1)])
def test_extreme_shapes_are_read(tmp_path: Path, size: tuple[int, int], mode: str) -> None:
    noise(*size).save(tmp_path / "photo.png")
    assert load_photo(tmp_path / "photo.png", reading(16, 12, mode)).shape == (16, 12, 3)


def cut(folder: Path) -> Path:
    noise(64, 64).save(folder / "whole.png")
    (folder / "x").write_bytes((folder / "whole.png").read_bytes()[:2000])
    return folder / "x"


def not_an_image(folder: Path) -> Path:
    (folder / "x").write_text("<html>404</html>")
    return folder / "x"


def empty(folder: Path) -> Path:
    (folder / "x").write_bytes(b"")
    return folder / "x"


def a_folder(folder: Path) -> Path:
    return folder


def broken_avif(folder: Path) -> Path:
    """Whose decoder fails with an error that is no OSError."""
    noise(40, 50).save(folder / "x.avif")
    content = (folder / "x.avif").read_bytes()
    assert b"iloc" in content
    (folder / "x.avif").write_bytes(content.replace(b"iloc", bytes(4)))
    return folder / "x.avif"


@pytest.mark.parametrize("make", [cut, not_an_image, empty, a_folder, broken_avif])
def test_broken_pictures_are_unreadable(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    path = make(tmp_path)
    with pytest.raises(PhotoError) as caught:
        load_photo(path, SIXTEEN)
    assert caught.value.reason == "unreadable"
    assert str(caught.value).startswith(f"{path} is no readable picture: ")


def test_formats_that_pillow_runs_programs_for_are_not_tried(tmp_path: Path) -> None:
    path = tmp_path / "x.eps"
    noise(8, 8).save(path)
    with pytest.raises(PhotoError) as caught:
        load_photo(path, SIXTEEN)
    assert str(caught.value) == f"{path} is no readable picture: cannot identify image file '{path}'"


def test_a_missing_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(PhotoError) as caught:
        load_photo(tmp_path / "x.png", SIXTEEN)
    assert (caught.value.reason, str(caught.value)) == ("missing", f"{tmp_path / 'x.png'} is missing")


def test_a_picture_with_too_many_pixels_is_not_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photos, "MAX_PHOTO_PIXELS", 99)
    path = tmp_path / "x.png"
    noise(10, 10).save(path)
    with pytest.raises(PhotoError) as caught:
        load_photo(path, SIXTEEN)
    assert (caught.value.reason, str(caught.value)) == ("too-large", f"{path} has 10 x 10 pixels")
    monkeypatch.setattr(photos, "MAX_PHOTO_PIXELS", 100)
    assert load_photo(path, SIXTEEN).shape == (16, 16, 3)


def test_pillows_own_limit_is_too_large_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    path = tmp_path / "x.png"
    noise(10, 10).save(path)
    with warnings.catch_warnings(), pytest.raises(PhotoError) as caught:
        warnings.simplefilter("ignore")
        load_photo(path, SIXTEEN)
    assert caught.value.reason == "too-large"


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
        ("../a.png", "outside", OUTSIDE),
        ("images/../../a.png", "outside", OUTSIDE),
        ("/etc/hostname", "outside", OUTSIDE),
        ("link/a.png", "outside", OUTSIDE),
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
