"""Similarities of a query to the title and the photo of a hit, for models whose learned fusion mixes both."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from artifacts.index_version import IndexVersion, TowerVectors
from artifacts.tower_specs import TowerName
from service.core.errors import VersionRefusedError
from service.worker.ranking import Explanation
from towers.query_encoder import QueryEncoder


@dataclass(frozen=True, eq=False)
class ModalitySimilarities:
    """Cosines of the vectors of each tower, before they are fused. BiBERT reads titles and CLIP reads photos.

    Attributes:
        slices: the dimensions of each tower in the vectors of queries and products.
        encoder: encodes queries by each tower.
        products: the towers' vectors of all products. Shape (count, T), float16, memory-mapped.
    """

    slices: dict[TowerName, slice]
    encoder: QueryEncoder
    products: TowerVectors

    @classmethod
    def of(cls, version: IndexVersion, encoder: QueryEncoder) -> "ModalitySimilarities | None":
        """Return the similarities of a version; None if it holds no vectors of the towers.

        Args:
            version: the version.
            encoder: its query encoder.

        Raises:
            ArtifactError: the vectors of the towers do not belong to the products.
            VersionRefusedError: the encoder gives no vectors of the towers.
        """
        products = version.open_tower_vectors()
        if products is None:
            return None
        if not encoder.gives_tower_vectors:
            raise VersionRefusedError(
                "it holds tower vectors of its products, but its query encoder gives none; build it again"
            )
        return cls(version.query.tower_slices, encoder, products)

    def explain(self, query: str, rows: npt.NDArray[np.int64]) -> Explanation:
        """Return the cosines of a query with the titles and photos of hits.

        The cosine with a photo is NaN for a product without one, and if the query side has no tower for photos.

        Args:
            query: the text of the query.
            rows: the row numbers of the hits. Shape (k,).
        """
        (vector,) = self.encoder.encode_tower_vectors([query])
        # `take` releases Python's lock while the disk is read; indexing might not.
        products = np.take(self.products, rows, axis=0).astype(np.float32)
        nothing = np.full(len(rows), np.nan, np.float32)
        cosines = {name: products[:, where] @ vector[where] for name, where in self.slices.items()}
        return Explanation("cosines", {"text": cosines.get("bibert", nothing), "photo": cosines.get("clip", nothing)})


def mixes_towers(version: IndexVersion) -> bool:
    """Return whether the model mixes title and photo of a product in one vector.

    Only the product side says so directly, and a version holds only the query side. If the query side has BiBERT alone
    and the products' photos were read nevertheless, the photos were mixed into BiBERT's space.
    """
    photos = version.manifest.photos
    reads_photos = photos.usable + photos.absent + sum(photos.unusable.values()) > 0
    return version.query.mixes_towers or (reads_photos and "clip" not in version.query.tower_slices)
