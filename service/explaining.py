"""What came from the title and what from the photo: parts of a score, or cosines of towers that a fusion mixes."""

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from artifacts.index_version import IndexVersion, TowerVectors
from artifacts.side import SideSpec
from knn import VectorIndex
from service.errors import VersionRefusedError
from towers.query_encoder import QueryEncoder

Vector = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Explanation:
    """Numbers of each hit, by name.

    Attributes:
        kind: Parts of the score, which add up to it, or cosines of query and product by one tower alone.
        values: Shapes (k,); NaN where there is nothing to compare.
    """

    kind: Literal["parts", "cosines"]
    values: dict[str, Vector]


class Explainer(Protocol):
    """Explains the scores of one query."""

    def explain(self, text: str, vector: Vector, rows: Rows) -> Explanation:
        """Explain hits.

        Args:
            text: The query.
            vector: Its vector, shape (D,).
            rows: Of the hits, shape (k,).
        """


@dataclass(frozen=True, eq=False)
class ScoreParts:
    """For towers that stand side by side (paper, Eq. 3 and 4): what each of them adds to the score.

    Attributes:
        slices: The numbers of a vector that came from one tower each, by name.
        index: Keeps the products' vectors.
    """

    slices: dict[str, slice]
    index: VectorIndex

    def explain(self, text: str, vector: Vector, rows: Rows) -> Explanation:
        """Parts as exact as the index keeps its vectors; see `Explainer.explain`."""
        return Explanation("parts", _by_tower(vector, self.index.reconstruct(rows), self.slices))


@dataclass(frozen=True, eq=False)
class TowerCosines:
    """For towers that a learned fusion mixes: how near the title and the photo are to the query by themselves.

    Attributes:
        slices: Where each tower's numbers are, by name.
        encoder: Gives the queries' towers.
        towers: Of the products, (count, T) float16, on the disk.
    """

    slices: dict[str, slice]
    encoder: QueryEncoder
    towers: TowerVectors

    def explain(self, text: str, vector: Vector, rows: Rows) -> Explanation:
        """Cosines; NaN for a product without a photo, and for photos where queries have no tower that sees them."""
        (query,) = self.encoder.encode_towers([text])
        # `take` lets other threads run while the disk is read; indexing might not.
        found = np.take(self.towers, rows, axis=0).astype(np.float32)
        nothing = np.full(len(rows), np.nan, np.float32)
        return Explanation("cosines", {"text": nothing, "photo": nothing} | _by_tower(query, found, self.slices))


def explainer_of(version: IndexVersion, index: VectorIndex, encoder: QueryEncoder) -> Explainer | None:
    """What can explain a version's scores; None where its model mixes the towers and it keeps no vectors of them.

    Raises:
        ArtifactError: It keeps vectors that are not those of its products.
        VersionRefusedError: It keeps vectors, but its encoder gives none of queries.
    """
    slices, towers = named_slices(version.query), version.open_towers()
    if towers is None:
        return None if _mixes_towers(version) else ScoreParts(slices, index)
    if not encoder.gives_towers:
        raise VersionRefusedError("it keeps vectors of towers, but its encoder gives none of queries; build it again")
    return TowerCosines(slices, encoder, towers)


def named_slices(query: SideSpec) -> dict[str, slice]:
    """Where each tower's numbers are, by the names in an answer. BiBERT reads titles, CLIP looks at photos."""
    return {"text" if tower == "bibert" else "photo": where for tower, where in query.tower_slices.items()}


def _mixes_towers(version: IndexVersion) -> bool:
    """Whether title and photo of a product are mixed, which its own side alone would say.

    A model that compares queries with titles alone reads no photos: if it does, they are mixed into BiBERT's space.
    """
    photos = version.manifest.photos
    reads_photos = photos.usable + photos.absent + sum(photos.unusable.values()) > 0
    return version.query.mixes_towers or (reads_photos and "clip" not in version.query.tower_slices)


def _by_tower(query: Vector, products: npt.NDArray[np.float32], slices: dict[str, slice]) -> dict[str, Vector]:
    return {name: products[:, where] @ query[where] for name, where in slices.items()}
