"""Thumbnails of product photos for web pages."""

import base64
import io
from functools import partial
from pathlib import Path

from PIL import Image

from artifacts.tower_specs import PhotoInput
from towers.errors import PhotoError
from towers.photos import Pixels, load_photo_at, photo_path, read_photo_at

_PAGE_EDGE = 168  # px: twice the size at which a page shows it on a phone
_PAGE_QUALITY = 68  # of WebP; gives about 4 kB per photo


def thumbnail(path: Path, longest_edge: int, quality: int) -> bytes:
    """Return a photo as WebP: complete, upright, in its proportions, and never enlarged.

    Args:
        path: the photo; see `photo_path`.
        longest_edge: length of the longest edge, in pixels.
        quality: quality of WebP, 0 to 100.

    Raises:
        PhotoError: as `load_photo` does.
    """
    return _webp(load_photo_at(path, partial(_fit, longest_edge)), quality)


def thumbnail_of(content: bytes, name: str, longest_edge: int, quality: int) -> bytes:
    """Return a photo, given the content of its file, as WebP; see `thumbnail`.

    Args:
        content: content of the whole file.
        name: name of the photo in error messages.
        longest_edge: length of the longest edge, in pixels.
        quality: quality of WebP, 0 to 100.

    Raises:
        PhotoError: as `read_photo` does.
    """
    return _webp(read_photo_at(content, name, partial(_fit, longest_edge)), quality)


def thumbnail_uri(folder: Path, image: str | None) -> str | None:
    """Return the thumbnail of a product's photo as a data URI, for a page that loads nothing.

    Args:
        folder: folder of the catalogue.
        image: value of the catalogue's `image` column.

    Returns:
        None if there is no usable photo: `image` is null or a URL, or the file is missing or broken.
    """
    if image is None:
        return None
    try:
        content = thumbnail(photo_path(folder, image), _PAGE_EDGE, _PAGE_QUALITY)
    except PhotoError:
        return None
    return f"data:image/webp;base64,{base64.b64encode(content).decode()}"


def _webp(pixels: Pixels, quality: int) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, format="WEBP", quality=quality)
    return sink.getvalue()


def _fit(longest_edge: int, width: int, height: int) -> PhotoInput:
    """Return the size of the thumbnail, with the proportions of the photo."""
    scale = min(1.0, longest_edge / max(width, height))
    return PhotoInput(
        width=max(1, round(width * scale)),
        height=max(1, round(height * scale)),
        mean=(0, 0, 0),  # not normalised: the pixels are what is shown
        std=(1, 1, 1),
        resize_mode="squash",
    )
