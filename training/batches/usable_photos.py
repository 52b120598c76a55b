"""Which products of a catalogue have a photo that a fit can read, by the first bytes of the files."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from artifacts.catalog import Catalog
from artifacts.photo_entries import joined_photos
from towers.errors import PhotoError
from towers.photos import ABSENT, SIGNATURE_BYTES, USABLE, check_signature, photo_path


def count_photos(catalog: Catalog) -> Counter[str]:
    """Count products by what their photos are: usable, absent, or why the first one cannot be used.

    The reasons are those of docs/data-formats.md; a photo that is damaged behind its first bytes counts as usable.
    """
    return Counter(_outcomes(catalog))


def has_usable_photo(catalog: Catalog) -> bool:
    """Return whether any product has a photo that a fit can read."""
    return USABLE in _outcomes(catalog)


def describe_unusable(counts: Counter[str]) -> str:
    """Return how many products have no usable photo and why, as a clause: `4 absent, 12 url`."""
    return ", ".join(f"{count:,} {reason}" for reason, count in counts.most_common() if reason != USABLE)


def _outcomes(catalog: Catalog) -> Iterator[str]:
    for photos in joined_photos(catalog.images, catalog.more_images):
        outcomes = [_outcome(catalog.folder, image) for image in photos]
        yield USABLE if USABLE in outcomes else outcomes[0] if outcomes else ABSENT


def _outcome(folder: Path, image: str) -> str:
    try:
        path = photo_path(folder, image)
        if not path.is_file():  # opening a pipe would block until somebody writes to it
            return "unreadable" if path.exists() else "missing"
        with path.open("rb") as file:
            check_signature(file.read(SIGNATURE_BYTES), image)
    except PhotoError as error:
        return error.reason
    except OSError:
        return "unreadable"
    return USABLE
