"""How near a hit's title and photo are to the query by themselves, where a learned fusion mixes them."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from artifacts.index_version import IndexVersion, TowerVectors
from artifacts.side import TowerName
from service.core.errors import VersionRefusedError
from service.worker.modality_scores import Parts
from towers.query_encoder import QueryEncoder


@dataclass(frozen=True, eq=False)
class Explanation:
    """Numbers of each hit, by name.

    Attributes:
        kind: Parts of the score, which add up to it, or cosines of query and product by one tower alone.
        values: Shapes (k,); NaN where there is nothing to compare.
    """

    kind: Literal["parts", "cosines"]
    values: Parts


@dataclass(frozen=True, eq=False)
class TowerCosines:
    """Cosines of the towers' vectors, before they are fused. BiBERT reads titles, CLIP looks at photos.

    Attributes:
        slices: Where each tower's numbers are, in the vectors of queries and of products.
        encoder: Gives those of queries.
        products: Shape (count, T), float16, on the disk.
    """

    slices: dict[TowerName, slice]
    encoder: QueryEncoder
    products: TowerVectors

    @classmethod
    def of(cls, version: IndexVersion, encoder: QueryEncoder) -> "TowerCosines | None":
        """The cosines; None where the version keeps no vectors of towers.

        Raises:
            ArtifactError: It keeps vectors that are not those of its products.
            VersionRefusedError: Its encoder gives none of queries.
        """
        products = version.open_tower_vectors()
        if products is None:
            return None
        if not encoder.gives_tower_vectors:
            raise VersionRefusedError(
                "its encoder gives no vectors of towers, which it keeps of its products; build it again"
            )
        return cls(version.query.tower_slices, encoder, products)

    def explain(self, query: str, rows: npt.NDArray[np.int64]) -> Explanation:
        """The cosines of a query with hits.

        Those with photos are NaN for a product that has none, and where queries have no tower that sees photos.

        Args:
            query: A text.
            rows: Of the hits, shape (k,).
        """
        (vector,) = self.encoder.encode_tower_vectors([query])
        # `take` lets other threads run while the disk is read; indexing might not.
        products = np.take(self.products, rows, axis=0).astype(np.float32)
        nothing = np.full(len(rows), np.nan, np.float32)
        cosines = {name: products[:, where] @ vector[where] for name, where in self.slices.items()}
        return Explanation("cosines", {"text": cosines.get("bibert", nothing), "photo": cosines.get("clip", nothing)})


def mixes_towers(version: IndexVersion) -> bool:
    """Whether title and photo of a product are mixed, which its own side alone would say.

    A model that compares queries with titles alone reads no photos: if it does, they are mixed into BiBERT's space.
    """
    photos = version.manifest.photos
    reads_photos = photos.usable + photos.absent + sum(photos.unusable.values()) > 0
    return version.query.mixes_towers or (reads_photos and "clip" not in version.query.tower_slices)
