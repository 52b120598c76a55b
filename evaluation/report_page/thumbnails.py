"""Product photos as small images embedded in the page."""

import base64
from pathlib import Path

from towers.errors import PhotoError
from towers.photos import photo_path
from towers.thumbnails import thumbnail as webp_of

LONGEST_EDGE = 168  # px: twice the size at which it is shown on a phone
_QUALITY = 68  # of WebP; gives about 4 kB per photo


def thumbnail(folder: Path, image: str | None) -> str | None:
    """Return a small version of a product's photo as a data URI, uncropped and with its aspect ratio.

    Args:
        folder: folder of the catalogue.
        image: value of the catalogue's `image` column.

    Returns:
        None if there is no usable photo: `image` is null or a URL, or the file is missing or broken.
    """
    if image is None:
        return None
    try:
        content = webp_of(photo_path(folder, image), LONGEST_EDGE, _QUALITY)
    except PhotoError:
        return None
    return f"data:image/webp;base64,{base64.b64encode(content).decode()}"
