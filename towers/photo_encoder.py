"""Encoding of photos as unit vectors on ONNX Runtime, for queries that are photos. This file needs no torch."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from artifacts.errors import MismatchError
from artifacts.side import ENCODER_FILE
from artifacts.tower_specs import ClipImageTowerSpec, PhotoInput
from towers.onnx_session import open_session
from towers.photos import Pixels
from towers.query_encoder import VECTORS_OUTPUT, Vectors


class OnnxPhotoEncoder:
    """A model's CLIP image tower on ONNX Runtime. Any number of threads may use it at once.

    Args:
        folder: a photo encoder's folder, verified when its artifact was opened.
        tower: the content of its tower.json.
        threads: number of threads that one batch may use.

    Raises:
        DamagedError: the exported encoder cannot be loaded.
    """

    def __init__(self, folder: Path, tower: ClipImageTowerSpec, *, threads: int = 1) -> None:
        self._tower = tower
        self._session = open_session(folder / ENCODER_FILE, "photo encoder", threads)

    @property
    def width(self) -> int:
        """Length d of the vectors."""
        return self._tower.width

    @property
    def photo(self) -> PhotoInput:
        """How photos must be decoded (towers/photos.py)."""
        return self._tower.photo

    def encode(self, photos: Sequence[Pixels]) -> Vectors:
        """Encode decoded photos, each (height, width, 3), as unit vectors: shape (len(photos), d), float32."""
        if not photos:
            return np.empty((0, self.width), dtype=np.float32)
        (vectors,) = self._session.run([VECTORS_OUTPUT], {"pixels": np.stack(photos)})
        return np.asarray(vectors, dtype=np.float32)

    def check(self, width: int) -> None:
        """Encode one black photo, which checks the encoder and warms it up.

        Raises:
            MismatchError: it gives no vectors of this width.
        """
        vectors = self.encode([np.zeros((self.photo.height, self.photo.width, 3), np.uint8)])
        if vectors.shape != (1, width) or not np.isfinite(vectors).all():
            raise MismatchError(f"its photo encoder gives no vectors of width {width}; build it again")
