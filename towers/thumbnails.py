"""Thumbnails of product photos for web pages."""

import io
from functools import partial
from pathlib import Path

from PIL import Image

from artifacts.tower_specs import PhotoInput
from towers.photos import Pixels, load_photo_at, read_photo_at


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
