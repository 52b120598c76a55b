"""Decoding of photos to the size that a CLIP's image tower reads. This file needs no torch."""

import io
import os
import re
import stat
import warnings
from functools import lru_cache
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, UnidentifiedImageError

from artifacts.side import PhotoInput
from towers.errors import PhotoError

# Outcomes of a photo besides the reasons of a PhotoError.
USABLE = "usable"  # the photo was encoded
ABSENT = "absent"  # the catalogue names no photo

Pixels = npt.NDArray[np.uint8]

# A photo with more pixels counts as a decompression bomb. As RGBA it takes 320 MB; Pillow's own limit is 89 million.
MAX_PHOTO_PIXELS = 80_000_000
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
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://")
_RESAMPLING = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}
_UPRIGHT = {  # EXIF orientation -> operation that turns the photo upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def is_url(image: str) -> bool:
    """Return whether a catalogue's entry is a URL of a photo."""
    return image[:8].lower().startswith(("http://", "https://"))


def is_picture(head: bytes) -> bool:
    """Return whether the first SIGNATURE_BYTES of a file are those of a supported format."""
    return _SIGNATURES.match(head) is not None


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

    EXIF rotation is applied, transparency is replaced by white, and of an animation the first frame is used.

    Returns:
        Shape (height, width, 3), RGB, 0 to 255.

    Raises:
        PhotoError: the file is missing ("missing"), no image ("not-an-image"), broken or truncated ("unreadable"), or
            has more than MAX_PHOTO_PIXELS pixels ("too-large").
    """
    try:
        if path.exists() and not path.is_file():  # opening a pipe would block until somebody writes to it
            raise PhotoError("unreadable", f"{path} is no file")
        with path.open("rb") as file:
            return _decode(file, str(path), photo)
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
        PhotoError: "not-an-image", "unreadable" or "too-large", as `load_photo` does.
    """
    return _decode(io.BytesIO(content), name, photo)


def _decode(file: IO[bytes], name: str, photo: PhotoInput) -> Pixels:
    """Decode and resize a photo; its header is checked before any pixel is decoded."""
    head = file.read(SIGNATURE_BYTES)
    if head and not is_picture(head):  # an empty file counts as a truncated image
        raise PhotoError("not-an-image", f"{name} is no picture: it begins with {head!r}")
    file.seek(0)
    try:
        with Image.open(file, formats=PHOTO_FORMATS) as image:
            if image.width * image.height > MAX_PHOTO_PIXELS:
                raise PhotoError(
                    "too-large",
                    f"{name} has {image.width} x {image.height} pixels: at most {MAX_PHOTO_PIXELS:,} are read",
                )
            image.draft("RGB", (2 * photo.width, 2 * photo.height))  # allows JPEG to be decoded at a smaller scale
            return np.asarray(_resize(_to_rgb(_upright(image)), photo))
    except PhotoError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PhotoError("too-large", f"{name}: {error}") from error
    except UnidentifiedImageError as error:
        raise PhotoError("unreadable", f"{name} is no readable picture: its header is broken") from error
    except Exception as error:  # Pillow's decoders raise nearly every kind of error on broken files
        raise PhotoError("unreadable", f"{name} is no readable picture: {error}") from error


def _upright(image: Image.Image) -> Image.Image:
    """Turn an image as EXIF says. Broken EXIF is ignored, because the image itself may be usable."""
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # Pillow raises many kinds of errors on broken EXIF
        return image
    method = _UPRIGHT.get(orientation) if isinstance(orientation, int) else None
    return image if method is None else image.transpose(method)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in ("I", "F"):  # converting would clip at 0 and 255
        raise ValueError(f"its numbers (mode {image.mode}) are of no known range")
    if image.mode.startswith("I;16"):  # converting would clip at 255
        image = Image.fromarray((np.asarray(image) // 256).astype(np.uint8))
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")


def _resize(image: Image.Image, photo: PhotoInput) -> Image.Image:
    """Resize exactly as open_clip does for the mode that the model was trained with."""
    resampling = _RESAMPLING[photo.interpolation]
    if photo.resize_mode == "squash":
        return image.resize((photo.width, photo.height), resampling)
    resized = image.resize(_scaled_size(image, photo), resampling)
    canvas = Image.new("RGB", (photo.width, photo.height))
    canvas.paste(resized, (_offset(resized.width, photo.width), _offset(resized.height, photo.height)))
    return canvas


def _scaled_size(image: Image.Image, photo: PhotoInput) -> tuple[int, int]:
    """Return (width, height) at which the shortest or longest edge fits, with the same proportions."""
    ratios = (image.width / photo.width, image.height / photo.height)
    if photo.resize_mode == "shortest" and photo.width == photo.height:  # torchvision's own function, which rounds down
        shortest, longest = sorted(image.size)
        scaled = int(photo.width * longest / shortest)
        return (photo.width, scaled) if image.width <= image.height else (scaled, photo.height)
    ratio = min(ratios) if photo.resize_mode == "shortest" else max(ratios)
    return max(1, round(image.width / ratio)), max(1, round(image.height / ratio))


def _offset(size: int, target: int) -> int:
    """Return where an image begins on its canvas; negative if it is cropped."""
    return (target - size) // 2 if size < target else -round((size - target) / 2)
