"""Searches by photo: how a version turns a photo into a query vector, or why it cannot."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from artifacts.index_version import IndexVersion
from service.core.errors import NoPhotoSearchError, QueryError
from service.photo_decoding.photo_decoder import PhotoDecoder
from towers.errors import PhotoError
from towers.photo_encoder import OnnxPhotoEncoder
from towers.photo_subspace import PhotoSubspace
from towers.photos import Pixels

Vector = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class PhotoQueries:
    """Turns photos into query vectors. Any number of threads may use it at once."""

    encoder: OnnxPhotoEncoder
    part: PhotoSubspace
    decoder: PhotoDecoder = field(default_factory=PhotoDecoder)

    def decode(self, content: bytes) -> Pixels:
        """Decode a photo in the same way as the products' photos, but in a process of its own.

        Args:
            content: the bytes of the photo's file.

        Raises:
            QueryError: the photo cannot be used; the message says why.
        """
        try:
            return self.decoder.pixels(content, "image", self.encoder.photo)
        except PhotoError as error:
            raise QueryError(str(error)) from error

    def encode(self, pixels: Pixels) -> Vector:
        """Return the query vector, whose scores are the cosines of the photo and the products' photos. Shape (D,)."""
        vector: Vector = self.part.queries(self.encoder.encode([pixels]))[0]
        return vector


def load_photo_queries(opened: IndexVersion, threads: int, wanted: bool) -> PhotoQueries | NoPhotoSearchError:
    """Load the photo encoder of a version and encode one photo, which checks it and warms it up.

    Args:
        opened: the version.
        threads: the number of threads that encode one photo.
        wanted: whether searches by photo are turned on; if not, nothing is loaded.

    Returns:
        The queries, or the error that answers every search by photo.

    Raises:
        ArtifactError: the encoder cannot be loaded, or gives vectors of another width than its tower.json says.
    """
    part, name = PhotoSubspace.of(opened.query), opened.manifest.model.name
    if part is None:
        return NoPhotoSearchError(
            f"{_refusal_reason(opened, name)}: serve a model of CLIP alone (clip) or of a concatenation (cat, alpha)"
        )
    if not wanted:
        return NoPhotoSearchError("searches by photo are off: VITRINE_PHOTO_SEARCH turns them on")
    if opened.photo is None:
        return NoPhotoSearchError(
            f"version {opened.manifest.version} holds no photo encoder, since its bundle had none: give the bundle one "
            "with `python -m training add-photo-encoder` and build the index again"
        )
    queries = PhotoQueries(OnnxPhotoEncoder(opened.photo_folder, opened.photo, threads=threads), part)
    queries.encoder.check(part.width)
    return queries


def _refusal_reason(opened: IndexVersion, name: str) -> str:
    if all(tower.name != "clip" for tower in opened.query.towers):
        return f"the served model, {name}, has no CLIP on its query side, which searches by photo need"
    if opened.query.mixes_towers:
        return f"the served model, {name}, mixes title and photo, so that a photo alone has no vector in its space"
    return f"the served model, {name}, gives photos no weight"
