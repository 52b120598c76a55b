"""Product photos as small pictures inside the page."""

import base64
from pathlib import Path

from towers.errors import PhotoError
from towers.photos import photo_path
from towers.thumbnails import thumbnail as webp_of

LONGEST_EDGE = 168  # px: twice the size at which it is shown on a phone
_QUALITY = 68  # WebP: about 4 kB a photo


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
        content = webp_of(photo_path(folder, image), LONGEST_EDGE, _QUALITY)
    except PhotoError:
        return None
    return f"data:image/webp;base64,{base64.b64encode(content).decode()}"
