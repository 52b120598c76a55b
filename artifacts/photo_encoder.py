"""The photo encoder of a bundle or an index version: CLIP's image tower alone, for queries that are photos.

It is there where a query's vector keeps CLIP's part apart (towers/photo_subspace.py); older bundles and versions have
none. Its folder is complete in itself:

    tower.json           the PhotoTower below
    encoder.onnx         photos as they were decoded in, unit vectors out; it normalises the pixels itself
    encoder.onnx.data    its weights, where they are too large to stand in encoder.onnx
"""

from collections.abc import Mapping
from pathlib import Path

from artifacts.checksums import FileRecord
from artifacts.records import Record, read_record, write_record
from artifacts.side import ClipImageTowerSpec

PHOTO_ENCODER_SCHEMA_VERSION = 1
PHOTO_ENCODER_FOLDER = "photo"
TOWER_FILE = "tower.json"


class PhotoTower(Record):
    """The content of tower.json."""

    schema_version: int = PHOTO_ENCODER_SCHEMA_VERSION
    tower: ClipImageTowerSpec  # as it stands on the product side


def write_photo_tower(folder: Path, tower: ClipImageTowerSpec) -> None:
    """Write tower.json into the encoder's folder."""
    write_record(folder / TOWER_FILE, PhotoTower(tower=tower))


def read_photo_tower(path: Path, files: Mapping[str, FileRecord]) -> ClipImageTowerSpec | None:
    """What the photo encoder of a bundle or a version is; None where its records name no such encoder.

    Args:
        path: of the bundle or the version.
        files: its records, which were verified.

    Raises:
        DamagedError: tower.json is not JSON.
        FormatError: it does not describe an image tower.
    """
    if f"{PHOTO_ENCODER_FOLDER}/{TOWER_FILE}" not in files:
        return None
    record = path / PHOTO_ENCODER_FOLDER / TOWER_FILE
    return read_record(record, PhotoTower, schema_version=PHOTO_ENCODER_SCHEMA_VERSION).tower
