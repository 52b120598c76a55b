"""The photo encoder of a bundle or an index version: CLIP's image tower, for queries that are photos.

It exists for models whose query vectors keep CLIP's part separate (towers/photo_subspace.py), but not in older bundles
and versions. Its folder needs no other files:

    tower.json           the PhotoTower below
    encoder.onnx         decoded photos in, unit vectors out; it normalises the pixels itself
    encoder.onnx.data    its weights, if they are too large for encoder.onnx
"""

from collections.abc import Mapping
from pathlib import Path

from artifacts.checksums import FileRecord
from artifacts.records import Record, read_record, write_record
from artifacts.tower_specs import ClipImageTowerSpec

PHOTO_ENCODER_SCHEMA_VERSION = 1
PHOTO_ENCODER_FOLDER = "photo"
TOWER_FILE = "tower.json"


class PhotoTower(Record):
    """The content of tower.json."""

    schema_version: int = PHOTO_ENCODER_SCHEMA_VERSION
    tower: ClipImageTowerSpec  # as on the product side


def write_photo_tower(folder: Path, tower: ClipImageTowerSpec) -> None:
    """Write tower.json into the encoder's folder."""
    write_record(folder / TOWER_FILE, PhotoTower(tower=tower))


def read_photo_tower(path: Path, files: Mapping[str, FileRecord]) -> ClipImageTowerSpec | None:
    """Read the tower of a photo encoder; None if the bundle or version has none.

    Args:
        path: the folder of the bundle or version.
        files: its verified file records.

    Raises:
        DamagedError: tower.json is not JSON.
        FormatError: tower.json does not describe an image tower.
    """
    if f"{PHOTO_ENCODER_FOLDER}/{TOWER_FILE}" not in files:
        return None
    record = path / PHOTO_ENCODER_FOLDER / TOWER_FILE
    return read_record(record, PhotoTower, schema_version=PHOTO_ENCODER_SCHEMA_VERSION).tower
