"""Product photos as small pictures for pages."""

import io
from pathlib import Path

from PIL import ExifTags, Image

from artifacts.side import PhotoInput
from towers.errors import PhotoError
from towers.photos import MAX_PHOTO_PIXELS, PHOTO_FORMATS, load_photo

_FIRST_SIDEWAYS_ORIENTATION = 5  # EXIF: from here on, width and height are exchanged


def thumbnail(path: Path, longest_edge: int, quality: int, max_pixels: int = MAX_PHOTO_PIXELS) -> bytes:
    """A photo as WebP, whole, upright, in its proportions, and never enlarged.

    Args:
        path: of the file; see `photo_path`.
        longest_edge: in pixels.
        quality: of WebP, 0 to 100.
        max_pixels: a photo with more is refused by its header.

    Raises:
        PhotoError: as `load_photo` does.
    """
    pixels = load_photo(path, _fit(path, longest_edge, max_pixels))
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, format="WEBP", quality=quality)
    return sink.getvalue()


def _fit(path: Path, longest_edge: int, max_pixels: int) -> PhotoInput:
    """The size at which a photo keeps its proportions."""
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
    """Width and height of a photo as it is to be seen; reads the file's head alone."""
    try:
        if path.exists() and not path.is_file():  # opening a pipe would wait for somebody to write into it
            raise PhotoError("unreadable", f"{path} is no file")
        with Image.open(path, formats=PHOTO_FORMATS) as image:
            sideways = image.getexif().get(ExifTags.Base.Orientation, 1) >= _FIRST_SIDEWAYS_ORIENTATION
            return (image.height, image.width) if sideways else image.size
    except PhotoError:
        raise
    except FileNotFoundError as error:
        raise PhotoError("missing", f"{path} is missing") from error
    except Exception as error:  # Pillow's decoders let nearly every kind out on broken files
        raise PhotoError("unreadable", f"{path} is no readable picture: {error}") from error
