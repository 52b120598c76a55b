"""Product photos as small pictures inside the page."""

import base64
import io
from pathlib import Path

from PIL import ExifTags, Image

from artifacts.side import PhotoInput
from towers.errors import PhotoError
from towers.photos import load_photo, photo_path

LONGEST_EDGE = 168  # px: twice the size at which it is shown on a phone
_QUALITY = 68  # WebP: about 4 kB a photo
_FIRST_SIDEWAYS_ORIENTATION = 5  # EXIF: from here on, width and height are exchanged


def thumbnail(folder: Path, image: str | None) -> str | None:
    """A product's photo as a data URI, whole and in its proportions.

    Args:
        folder: of the catalogue.
        image: the catalogue's entry.

    Returns:
        None where there is no usable photo: none is named, it lies elsewhere (a URL), or it is broken.
    """
    if image is None:
        return None
    try:
        path = photo_path(folder, image)
        pixels = load_photo(path, _small(path))
    except PhotoError:
        return None
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, format="WEBP", quality=_QUALITY)
    return f"data:image/webp;base64,{base64.b64encode(sink.getvalue()).decode()}"


def _small(path: Path) -> PhotoInput:
    """The size at which a photo keeps its proportions."""
    width, height = _size(path)
    scale = LONGEST_EDGE / max(width, height)
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
        with Image.open(path) as image:
            sideways = image.getexif().get(ExifTags.Base.Orientation, 1) >= _FIRST_SIDEWAYS_ORIENTATION
            return (image.height, image.width) if sideways else image.size
    except Exception as error:  # Pillow's decoders let nearly every kind out on broken files
        raise PhotoError("unreadable", f"{path} is no readable picture: {error}") from error
