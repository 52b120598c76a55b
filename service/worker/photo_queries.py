"""Photos as queries of one version: how they become vectors, or why they do not."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from artifacts.index_version import IndexVersion
from service.core.errors import NoPhotoSearchError, QueryError, VersionRefusedError
from towers.errors import PhotoError
from towers.photo_encoder import OnnxPhotoEncoder
from towers.photo_subspace import PhotoSubspace
from towers.photos import Pixels, read_photo

Vector = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class PhotoQueries:
    """Makes queries of photos. Any number of threads may use it at once."""

    encoder: OnnxPhotoEncoder
    part: PhotoSubspace

    def decode(self, content: bytes) -> Pixels:
        """A photo, decoded like products' photos, from the content of its file.

        Raises:
            QueryError: It cannot be used, and why.
        """
        try:
            return read_photo(content, "image", self.encoder.photo)
        except PhotoError as error:
            raise QueryError(str(error)) from error

    def encode(self, pixels: Pixels) -> Vector:
        """The query, shape (D,), whose scores are cosines of the photo and products' photos."""
        vector: Vector = self.part.queries(self.encoder.encode([pixels]))[0]
        return vector


def load_photo_queries(opened: IndexVersion, threads: int, wanted: bool) -> PhotoQueries | NoPhotoSearchError:
    """What a version makes of photos. It encodes one, which also warms it up.

    Args:
        opened: The version.
        threads: How many one photo may use.
        wanted: False loads nothing.

    Raises:
        ArtifactError: The encoder cannot be loaded.
        VersionRefusedError: It gives something else than its tower.json says.
    """
    part, name = PhotoSubspace.of(opened.query), opened.manifest.model.name
    if part is None:
        return NoPhotoSearchError(
            f"{_why_not(opened, name)}: serve a model of CLIP alone (clip) or of a concatenation (cat, alpha)"
        )
    if not wanted:
        return NoPhotoSearchError("searches by photo are off: VITRINE_PHOTO_SEARCH turns them on")
    if opened.photo is None:
        return NoPhotoSearchError(
            f"version {opened.manifest.version} holds no photo encoder, since its bundle had none: give the bundle one "
            "with `python -m training add-photo-encoder` and build the index again"
        )
    queries = PhotoQueries(OnnxPhotoEncoder(opened.photo_folder, opened.photo, threads=threads), part)
    photo = queries.encoder.photo
    found = queries.encoder.encode([np.zeros((photo.height, photo.width, 3), np.uint8)])
    if found.shape != (1, part.width) or not np.isfinite(found).all():
        raise VersionRefusedError(f"its photo encoder gives no vectors of width {part.width}; build it again")
    return queries


def _why_not(opened: IndexVersion, name: str) -> str:
    if all(tower.name != "clip" for tower in opened.query.towers):
        return f"the served model, {name}, has no CLIP on its query side, in whose space photos have their vectors"
    if opened.query.mixes_towers:
        return f"the served model, {name}, mixes title and photo, so that a photo alone has no vector in its space"
    return f"the served model, {name}, gives photos no weight"
