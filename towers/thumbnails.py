"""Thumbnails of product photos for web pages."""

import io
from pathlib import Path

from PIL import ExifTags, Image

from artifacts.side import PhotoInput
from towers.errors import PhotoError
from towers.photos import MAX_PHOTO_PIXELS, PHOTO_FORMATS, load_photo

_FIRST_SIDEWAYS_ORIENTATION = 5  # EXIF: from this value on, width and height are exchanged


def thumbnail(path: Path, longest_edge: int, quality: int, max_pixels: int = MAX_PHOTO_PIXELS) -> bytes:
    """Return a photo as WebP: complete, upright, in its proportions, and never enlarged.

    Args:
        path: the photo; see `photo_path`.
        longest_edge: length of the longest edge, in pixels.
        quality: quality of WebP, 0 to 100.
        max_pixels: photos with more pixels are refused before they are decoded.

    Raises:
        PhotoError: as `load_photo` does.
    """
    pixels = load_photo(path, _fit(path, longest_edge, max_pixels))
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, format="WEBP", quality=quality)
    return sink.getvalue()


def _fit(path: Path, longest_edge: int, max_pixels: int) -> PhotoInput:
    """Return the size of the thumbnail, with the proportions of the photo."""
    width, height = _size(path)
    if width * height > max_pixels:
        raise PhotoError("too-large", f"{path} has {width} x {height} pixels")
    scale = min(1.0, longest_edge / max(width, height))
    return PhotoInput(
        width=max(1, round(width * scale)),
        height=max(1, round(height * scale)),
        mean=(0, 0, 0),  # not normalised: the pixels are what is shown
        std=(1, 1, 1),
        resize_mode="squash",
    )


def _size(path: Path) -> tuple[int, int]:
    """Read width and height of the upright photo from the file's header."""
    try:
        if path.exists() and not path.is_file():  # opening a pipe would block until somebody writes to it
            raise PhotoError("unreadable", f"{path} is no file")
        with Image.open(path, formats=PHOTO_FORMATS) as image:
            sideways = image.getexif().get(ExifTags.Base.Orientation, 1) >= _FIRST_SIDEWAYS_ORIENTATION
            return (image.height, image.width) if sideways else image.size
    except PhotoError:
        raise
    except FileNotFoundError as error:
        raise PhotoError("missing", f"{path} is missing") from error
    except Exception as error:  # Pillow's decoders raise nearly every kind of error on broken files
        raise PhotoError("unreadable", f"{path} is no readable picture: {error}") from error
