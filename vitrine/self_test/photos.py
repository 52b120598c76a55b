"""Product photos as small pictures inside the page."""

import base64
from pathlib import Path

from towers.errors import PhotoError
from towers.photos import is_url, photo_path
from towers.thumbnails import thumbnail as webp_of

_LONGEST_EDGE = 168  # px: twice the size at which it is shown on a phone
_QUALITY = 68  # of WebP; gives about 4 kB a photo


def thumbnail(folder: Path, image: str | None) -> str | None:
    """Return a small version of a product's photo as a data URI; None if there is no usable file."""
    if image is None or is_url(image):
        return None
    try:
        content = webp_of(photo_path(folder, image), _LONGEST_EDGE, _QUALITY)
    except PhotoError:
        return None
    return f"data:image/webp;base64,{base64.b64encode(content).decode()}"
