"""Decoding of photos to the size that a CLIP's image tower reads. This file needs no torch."""

import io
import os
import re
import stat
import warnings
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageFile, UnidentifiedImageError

from artifacts.tower_specs import PhotoInput
from towers import jpeg_file, png_file
from towers.errors import PhotoError
from towers.photo_memory import decoding_bytes
from towers.photo_resize import resize, upright_size

# Outcomes of a photo besides the reasons of a PhotoError.
USABLE = "usable"  # the photo was encoded
ABSENT = "absent"  # the catalogue names no photo

Pixels = npt.NDArray[np.uint8]
SizeChoice = Callable[[int, int], PhotoInput]  # from width and height of the upright photo

MAX_PHOTO_BYTES = 32 * 2**20  # of the file
# A photo with more pixels counts as a decompression bomb; Pillow's own limit is 89 million.
MAX_PHOTO_PIXELS = 80_000_000
MAX_SCANS = 100  # of a JPEG; each may take as long as decoding the whole, and programs write about ten
MAX_SIDE_RATIO = 20  # a longer picture is a rule or a spacer
# With what is not counted, such as the rows in work, one photo takes less than 100 MB.
MAX_DECODING_BYTES = 85_000_000
_RESIZED_PIXEL_BYTES = 4  # of the photo while only its rows are resized
# Pillow only warns up to twice its limit. The filter applies to the process: setting it per photo is not thread-safe.
warnings.simplefilter("error", Image.DecompressionBombWarning)
# The formats that shops use. For some other formats Pillow runs programs, such as Ghostscript for EPS.
PHOTO_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF", "BMP", "TIFF")
# The first bytes of files in these formats; for RIFF and ISO media the kind follows after a few bytes.
SIGNATURE_BYTES = 16
_SIGNATURES = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|RIFF....WEBP|GIF8[79]a|....ftyp(avif|avis|mif1|msf1)|BM|II[*+]\0|MM\0[*+]",
    re.DOTALL,
)
# Pictures all the same, such as those of telephones, but not read: HEIC, JPEG XL, JPEG 2000.
_UNSUPPORTED = re.compile(
    rb"....ftyp(heic|heix|heim|heis|hevc|hevx)|\xff\x0a|\0\0\0\x0cJXL |\0\0\0\x0cjP  |\xff\x4f\xff\x51", re.DOTALL
)
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://|data:", re.IGNORECASE)


def is_url(image: str) -> bool:
    """Return whether a catalogue's entry is a URL of a photo."""
    return image[:8].lower().startswith(("http://", "https://"))


def is_picture(head: bytes) -> bool:
    """Return whether the first SIGNATURE_BYTES of a file are those of a supported format."""
    return _SIGNATURES.match(head) is not None


def check_signature(head: bytes, name: str) -> None:
    """Check the first SIGNATURE_BYTES of a photo, before anything of it is decoded.

    Raises:
        PhotoError: they are those of a format that is not read ("unsupported-format"), or of no picture
            ("not-an-image").
    """
    if is_picture(head):
        return
    if _UNSUPPORTED.match(head):
        raise PhotoError(
            "unsupported-format", f"{name} is HEIC, JPEG XL or JPEG 2000; expected one of {', '.join(PHOTO_FORMATS)}"
        )
    raise PhotoError("not-an-image", f"{name} is no picture: it begins with {head!r}")


def photo_path(folder: Path, image: str) -> Path:
    """Return the path of a product's photo.

    Args:
        folder: the catalogue's folder, which paths of photos must not leave.
        image: the catalogue's entry.

    Raises:
        PhotoError: the entry is a URL ("url"), a URL with another scheme than http(s) ("bad-url"), points outside the
            folder ("outside"), or is no path ("unreadable").
    """
    if is_url(image):
        raise PhotoError("url", f"{image} is a URL; only photos beside the catalogue are read")
    if _SCHEME.match(image):
        raise PhotoError("bad-url", f"{image} is no address of a photo: expected http:// or https://")
    path = folder / image
    try:
        inside = _is_inside(path, folder)
    except (ValueError, RuntimeError) as error:  # a null character, or links that go in a circle
        raise PhotoError("unreadable", f"{image!r} is no path: {error}") from error
    if not inside:
        raise PhotoError("outside", f"{image} lies outside of {folder}")
    return path


def _is_inside(path: Path, folder: Path) -> bool:
    """Return whether a path is inside a folder after links are resolved, which is done once per folder."""
    if path.name in ("", "..") or _is_link(path):
        return path.resolve().is_relative_to(folder.resolve())
    parent, root = _resolved(path.parent), _resolved(folder)
    return parent == root or parent.startswith(os.path.join(root, ""))


def _is_link(path: Path) -> bool:
    try:
        return stat.S_ISLNK(os.lstat(path).st_mode)
    except OSError:  # the file is missing or not accessible
        return False


@lru_cache(maxsize=16_384)
def _resolved(folder: Path) -> str:
    """Resolve links; cached, since it takes a third of the time of decoding a small photo and folders repeat."""
    return str(folder.resolve())


def load_photo(path: Path, photo: PhotoInput) -> Pixels:
    """Decode a photo and resize it to the size that a tower reads.

    EXIF rotation is applied, transparency is replaced by white, and of an animation the first frame is used. Metadata
    have no other influence. Whatever the file, this takes less than 100 MB of memory.

    Returns:
        Shape (height, width, 3), RGB, 0 to 255.

    Raises:
        PhotoError: the file is missing ("missing"), no image ("not-an-image"), an image of a format that is not read
            ("unsupported-format"), broken or truncated ("unreadable"), is
            long, has many pixels or would take much memory ("too-large"), or is a mere line ("too-long").
    """
    return load_photo_at(path, lambda *_: photo)


def load_photo_at(path: Path, choose: SizeChoice) -> Pixels:
    """Decode a photo and resize it to a size that depends on its own size; see `load_photo`.

    Args:
        path: the photo; see `photo_path`.
        choose: called with width and height of the upright photo.
    """
    try:
        if path.exists() and not path.is_file():  # opening a pipe would block until somebody writes to it
            raise PhotoError("unreadable", f"{path} is no file")
        with path.open("rb") as file:
            return _decode(file, str(path), choose)
    except FileNotFoundError as error:
        raise PhotoError("missing", f"{path} is missing") from error
    except (OSError, ValueError) as error:  # no permission, a name too long, links that go in a circle
        raise PhotoError("unreadable", f"{path} cannot be read: {error}") from error


def read_photo(content: bytes, name: str, photo: PhotoInput) -> Pixels:
    """Decode a photo from the content of a file, such as a downloaded one; see `load_photo`.

    Args:
        content: content of the whole file.
        name: name of the photo in error messages.
        photo: the size that a tower reads.

    Raises:
        PhotoError: "not-an-image", "unsupported-format", "unreadable", "too-large" or "too-long", as `load_photo` does.
    """
    return read_photo_at(content, name, lambda *_: photo)


def read_photo_at(content: bytes, name: str, choose: SizeChoice) -> Pixels:
    """Decode a photo from the content of a file; see `read_photo` and `load_photo_at`."""
    return _decode(io.BytesIO(content), name, choose)


def _decode(file: IO[bytes], name: str, choose: SizeChoice) -> Pixels:
    """Decode and resize a photo; its header is checked before any pixel is decoded."""
    head = file.read(SIGNATURE_BYTES)
    if head:  # an empty file counts as a truncated image
        check_signature(head, name)
    file_bytes = file.seek(0, io.SEEK_END)
    if file_bytes > MAX_PHOTO_BYTES:
        raise PhotoError("too-large", f"{name} has {file_bytes:,} bytes: at most {MAX_PHOTO_BYTES:,} are read")
    file.seek(0)
    try:
        if head.startswith(png_file.SIGNATURE):
            file = png_file.without_metadata(file)
        with Image.open(file, formats=PHOTO_FORMATS) as image:
            orientation = _orientation(image)
            _check_size(image, name)
            photo = choose(*upright_size(image.size, orientation))
            _reduce(image, orientation, photo, file, file_bytes, name)
            image.load()
            return np.asarray(resize(image, orientation, photo))
    except PhotoError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning, MemoryError) as error:
        raise PhotoError("too-large", f"{name}: {error or 'decoding it takes too much memory'}") from error
    except UnidentifiedImageError as error:
        raise PhotoError("unreadable", f"{name} is no readable picture: its header is broken") from error
    except Exception as error:  # Pillow's decoders raise nearly every kind of error on broken files
        raise PhotoError("unreadable", f"{name} is no readable picture: {error}") from error


def _orientation(image: ImageFile.ImageFile) -> int:
    """Return the orientation, 1 to 8, that EXIF gives as a number; 1 if it gives none or is broken."""
    image.info.pop("xmp", None)  # where Pillow looks for an orientation that browsers do not see
    if image.format == "TIFF":
        return 1  # Pillow itself turns it by the same rule while it loads it
    try:
        exif = Image.Exif()
        exif.load(image.info.get("exif", b""))
        orientation = exif.get(ExifTags.Base.Orientation)
    except Exception:  # Pillow raises many kinds of errors on broken EXIF
        return 1
    return next((number for number in range(1, 9) if number == orientation), 1)


def _check_size(image: ImageFile.ImageFile, name: str) -> None:
    shorter, longer = sorted(image.size)
    if image.width * image.height > MAX_PHOTO_PIXELS:
        raise PhotoError(
            "too-large", f"{name} has {image.width} x {image.height} pixels: at most {MAX_PHOTO_PIXELS:,} are read"
        )
    if longer > MAX_SIDE_RATIO * shorter:
        raise PhotoError(
            "too-long",
            f"{name} has {image.width} x {image.height} pixels: its longer side may be at most {MAX_SIDE_RATIO} times "
            "its shorter side",
        )


def _reduce(
    image: ImageFile.ImageFile, orientation: int, photo: PhotoInput, file: IO[bytes], file_bytes: int, name: str
) -> None:
    """Set a JPEG to be decoded at a smaller scale, and refuse a photo that would still take too much memory or time."""
    size, several_scans = image.size, image.format in ("JPEG", "MPO") and jpeg_file.has_several_scans(file)
    if several_scans and jpeg_file.count_scans(file) > MAX_SCANS:
        raise PhotoError("unreadable", f"{name} is no readable picture: it is a JPEG of more than {MAX_SCANS} scans")
    image.draft("RGB", upright_size((2 * photo.width, 2 * photo.height), orientation))
    rows = upright_size(image.size, orientation)[1]
    needed = decoding_bytes(image, size, file_bytes, several_scans) + _RESIZED_PIXEL_BYTES * photo.width * rows
    if needed > MAX_DECODING_BYTES:
        raise PhotoError(
            "too-large",
            f"{name} has {size[0]} x {size[1]} pixels: decoding them as {image.format} of mode {image.mode} takes "
            f"{needed / 1e6:.0f} MB, and at most {MAX_DECODING_BYTES / 1e6:.0f} MB are used",
        )
