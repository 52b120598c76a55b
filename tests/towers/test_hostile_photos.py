"""Photos that would take memory or time, that are damaged, or whose metadata are longer than they: refused or read."""

import io
import struct
import subprocess
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.photos import noise
from tests.towers.picture_files import SIXTEEN, chunk, encoded, reading
from towers import photos
from towers.errors import PhotoError
from towers.jpeg_file import has_several_scans
from towers.photos import (
    MAX_PHOTO_BYTES,
    load_photo,
    read_photo,
)


def test_a_picture_with_too_many_pixels_is_not_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photos, "MAX_PHOTO_PIXELS", 99)
    path = tmp_path / "x.png"
    noise(10, 10).save(path)
    with pytest.raises(PhotoError) as caught:
        load_photo(path, SIXTEEN)
    assert (caught.value.reason, str(caught.value)) == ("too-large", f"{path} has 10 x 10 pixels: at most 99 are read")
    monkeypatch.setattr(photos, "MAX_PHOTO_PIXELS", 100)
    assert load_photo(path, SIXTEEN).shape == (16, 16, 3)


def bomb(width: int, height: int) -> bytes:
    """A PNG whose header claims this size, over next to no pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(bytes(99))), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(
    ("width", "height"),
    [
        (8_000, 10_001),  # beyond our limit
        (9_500, 9_500),  # of which Pillow only warns
        (60_000, 60_000),  # which Pillow refuses
    ],
)
def test_a_decompression_bomb_is_refused_by_its_header(width: int, height: int) -> None:
    with pytest.raises(PhotoError) as caught:
        read_photo(bomb(width, height), "x", SIXTEEN)
    assert caught.value.reason == "too-large"
    with pytest.raises(PhotoError) as caught:
        read_photo(bomb(4_000, 4_000), "x", SIXTEEN)
    assert caught.value.reason == "unreadable"  # the size is allowed, the pixels are not there


@pytest.mark.integration
def test_pillows_warning_is_an_error_in_every_program() -> None:
    code = (
        "import warnings, towers.photos\nfrom PIL import Image\n"
        "print([action for action, _, kind, *_ in warnings.filters if kind is Image.DecompressionBombWarning])"
    )
    program = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert program.stdout == "['error']\n"


def test_pillows_warning_as_an_error_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 99)
    with warnings.catch_warnings(), pytest.raises(PhotoError) as caught:
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        read_photo(bomb(10, 10), "x", SIXTEEN)
    assert caught.value.reason == "too-large"
    assert str(caught.value).startswith("x: Image size (100 pixels) exceeds limit of 99 pixels")


@pytest.mark.parametrize(
    ("width", "height", "mode", "suffix", "bytes_each"),
    [(6_000, 4_000, "RGB", "png", 4), (3_000, 2_000, "RGB", "webp", 17), (2_700, 2_100, "RGB", "avif", 16)],
)
def test_a_picture_that_would_take_too_much_memory_is_not_decoded(
    tmp_path: Path, width: int, height: int, mode: str, suffix: str, bytes_each: int
) -> None:
    path = tmp_path / f"x.{suffix}"
    Image.new(mode, (width, height)).save(path, **({"speed": 10} if suffix == "avif" else {}))
    with pytest.raises(PhotoError) as caught:
        load_photo(path, SIXTEEN)
    assert caught.value.reason == "too-large"
    assert str(caught.value) == (
        f"{path} has {width} x {height} pixels: decoding them as {suffix.upper()} of mode {mode} takes "
        f"{(width * height * bytes_each + 4 * 16 * height) / 1e6:.0f} MB, and at most 85 MB are used"
    )


def test_a_jpeg_of_endless_scans_is_not_decoded() -> None:
    sink = io.BytesIO()
    noise(64, 64).save(sink, "JPEG", progressive=True)
    content = sink.getvalue()
    last = content[content.rindex(b"\xff\xda") : -2]
    sound = content[:-2] + last * 50 + content[-2:]
    read_photo(sound, "x", SIXTEEN)
    with pytest.raises(PhotoError, match=r"^x is no readable picture: it is a JPEG of more than 100 scans$") as caught:
        read_photo(content[:-2] + last * 100_000 + content[-2:], "x", SIXTEEN)
    assert caught.value.reason == "unreadable"


def test_a_jpeg_whose_colours_come_one_after_another_is_counted_as_one_of_several_scans() -> None:
    sink = io.BytesIO()
    noise(64, 64).save(sink, "JPEG")
    whole = sink.getvalue()
    assert not has_several_scans(io.BytesIO(whole))
    at = whole.index(b"\xff\xda") + 4
    assert whole[at] == 3  # components of the first scan
    assert has_several_scans(io.BytesIO(whole[:at] + b"\1" + whole[at + 1 :]))
    assert has_several_scans(io.BytesIO(whole[:at]))


@pytest.mark.parametrize(
    ("size", "refused"), [((40, 2), False), ((41, 2), True), ((2, 41), True), ((400_000, 1), True)]
)
def test_a_line_is_no_photo(size: tuple[int, int], refused: bool) -> None:
    if not refused:
        read_photo(encoded(Image.new("RGB", size)), "x", SIXTEEN)
        return
    with pytest.raises(PhotoError) as caught:
        read_photo(encoded(Image.new("RGB", size)), "x", SIXTEEN)
    assert caught.value.reason == "too-long"
    assert str(caught.value) == (
        f"x has {size[0]} x {size[1]} pixels: its longer side may be at most 20 times its shorter side"
    )


def test_a_file_beyond_the_limit_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    noise(8, 8).save(path)
    with path.open("ab") as file:
        file.truncate(MAX_PHOTO_BYTES)
    load_photo(path, SIXTEEN)
    with path.open("ab") as file:
        file.truncate(MAX_PHOTO_BYTES + 1)
    with pytest.raises(PhotoError) as caught:
        load_photo(path, SIXTEEN)
    assert str(caught.value) == f"{path} has 33,554,433 bytes: at most 33,554,432 are read"


# In a process of its own, so that what other tests took does not count: loads each file in a child and prints its peak.
_MEASURE = """
import os, sys
from pathlib import Path
from PIL import Image
from artifacts.tower_specs import PhotoInput
from towers.errors import PhotoError
from towers.photos import load_photo
Image.init()
for name in ["", *sys.argv[1:]]:
    child = os.fork()
    if not child:
        try:
            if name:
                load_photo(Path(name), PhotoInput(width=224, height=224, mean=(0, 0, 0), std=(1, 1, 1)))
        except PhotoError as error:
            assert error.reason in ("too-large", "too-long"), error
        os._exit(0)
    _, status, usage = os.wait4(child, 0)
    assert status == 0
    print(usage.ru_maxrss)
"""


@pytest.mark.integration
def test_no_picture_takes_more_than_100_megabytes(tmp_path: Path) -> None:
    files: dict[str, dict[str, object]] = {
        "400000x1.png": {},
        "10000x1.png": {},
        "4000x200.png": {},
        "4400x4400.png": {"compress_level": 1},
        "3000x3000.webp": {"method": 0},
        "2200x2200.webp": {"method": 0, "lossless": True},
        "1500x1500.avif": {"speed": 10},
        "3600x3500.jpg": {"progressive": True, "subsampling": 0},
        "2600x2400.tif": {"compression": "tiff_lzw", "tiffinfo": {278: 2_400}},  # rows per strip
    }
    for name, options in files.items():
        width, height = map(int, name.partition(".")[0].split("x"))
        mode = "RGBA" if name == "4400x4400.png" else "RGB"
        Image.new(mode, (width, height), "red").save(tmp_path / name, **options)
    paths = [str(tmp_path / name) for name in files]
    program = subprocess.run(
        [sys.executable, "-c", _MEASURE, *paths], capture_output=True, text=True, check=True, timeout=300
    )
    idle, *peaks = (1024 * int(line) for line in program.stdout.split())
    taken = {name: (peak - idle) / 1e6 for name, peak in zip(files, peaks, strict=True)}
    assert max(taken.values()) < 100, taken


def with_chunk(content: bytes, kind: bytes, inserted: bytes) -> bytes:
    """A PNG with one more chunk after its header."""
    return content[:33] + chunk(kind, inserted) + content[33:]


METADATA = {
    "a bomb as text": (b"zTXt", b"Comment\0\0" + zlib.compress(bytes(50_000_000))),
    "a bomb as international text": (b"iTXt", b"Comment\0\1\0\0\0" + zlib.compress(bytes(50_000_000))),
    "a bomb as colour profile": (b"iCCP", b"icc\0\0" + zlib.compress(bytes(50_000_000))),
    "a long colour profile": (b"iCCP", b"icc\0\0" + zlib.compress(np.random.default_rng(1).bytes(3_000_000))),
    "an unknown compression": (b"zTXt", b"Comment\0\7x"),
    "long EXIF": (b"eXIf", b"MM\0*\0\0\0\x08\0\0" + bytes(5_000_000)),
    "a broken animation": (b"acTL", b"\0"),
}


@pytest.mark.parametrize(("kind", "content"), METADATA.values(), ids=METADATA)
def test_metadata_of_any_size_do_not_cost_a_sound_photo(kind: bytes, content: bytes) -> None:
    image = noise(30, 20)
    pixels = read_photo(with_chunk(encoded(image), kind, content), "x", reading(20, 30))
    np.testing.assert_array_equal(pixels, np.asarray(image))


def test_long_metadata_of_other_formats_do_not_cost_a_sound_photo(tmp_path: Path) -> None:
    for suffix in ("jpg", "webp", "tiff"):
        noise(30, 20).save(tmp_path / f"plain.{suffix}")
        noise(30, 20).save(tmp_path / f"x.{suffix}", icc_profile=bytes(3_000_000))
        expected = load_photo(tmp_path / f"plain.{suffix}", reading(20, 30))
        np.testing.assert_array_equal(load_photo(tmp_path / f"x.{suffix}", reading(20, 30)), expected)


def test_a_damaged_byte_of_a_png_is_never_taken_for_a_picture() -> None:
    """Whatever byte is damaged, the photo is refused or is what it was."""
    image = noise(24, 20)
    content = encoded(image)
    refused = 0
    for place in range(8, len(content)):
        damaged = bytearray(content)
        damaged[place] ^= 1
        try:
            pixels = read_photo(bytes(damaged), "x", reading(20, 24))
        except PhotoError as error:
            assert error.reason in ("unreadable", "too-large", "too-long")
            refused += 1
        else:
            np.testing.assert_array_equal(pixels, np.asarray(image))
    assert refused > 0.98 * (len(content) - 8)  # all but the length and checksum at the very end


def test_a_damaged_chunk_is_named() -> None:
    content = bytearray(encoded(noise(24, 20)))
    content[content.index(b"IDAT") + 8] ^= 1
    with pytest.raises(PhotoError, match=r"^x is no readable picture: its chunk IDAT at byte 33 is damaged") as caught:
        read_photo(bytes(content), "x", SIXTEEN)
    assert caught.value.reason == "unreadable"


def test_exif_behind_the_picture_turns_it_too() -> None:
    image = noise(12, 20)
    exif = Image.Exif()
    exif[274] = 6
    content = encoded(image)
    end = content.index(b"IEND") - 4
    content = content[:end] + chunk(b"eXIf", exif.tobytes()[6:]) + content[end:]
    expected = image.transpose(Image.Transpose.ROTATE_270)
    np.testing.assert_array_equal(read_photo(content, "x", reading(12, 20)), np.asarray(expected))
