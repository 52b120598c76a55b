"""The columns of a model's vectors that come from CLIP, in which a photo can be a query. This file needs no torch.

CLIP's text tower and image tower share one space. If a query's vector keeps the text tower's part separate, a photo's
vector can replace it.
"""

from dataclasses import dataclass

import numpy as np

from artifacts.popularity import PriorColumns
from artifacts.side import AlphaConcatenation, SideSpec
from towers.query_encoder import Vectors


@dataclass(frozen=True)
class PhotoSubspace:
    """CLIP's part of the vectors of a model.

    A product's vector is [w_1 a ; w_2 b] with a the unit vector of its title, b that of its photo, and
    w_1^2 + w_2^2 = 1 (paper, Eq. 3 and 4, scaled to unit length). A photo's unit vector v becomes the query
    [0 ; v / w_2], so that the score is the cosine of the two photos: [0 ; v / w_2] . [w_1 a ; w_2 b] = v . b. The unit
    vector [0 ; v] would give the scores w_2 v . b, in the same order. For a CLIP without BiBERT w_2 is 1.

    In a model with a prior, the content of products is shorter than 1 (artifacts/popularity.py), as are w_1 and w_2.
    A photo gives popularity no weight, since it asks for products that look the same.

    Attributes:
        place: CLIP's d columns.
        whole: width of the model's vectors.
        weight: w_2, above 0.
    """

    place: slice
    whole: int
    weight: float

    @property
    def width(self) -> int:
        """Number of columns, d."""
        return int(self.place.stop - self.place.start)

    @classmethod
    def of(cls, query_side: SideSpec) -> "PhotoSubspace | None":
        """Return CLIP's part for a query side; None if it has no CLIP, mixes it with BiBERT, or gives it no weight."""
        slices, fusion = query_side.tower_slices, query_side.fusion
        if "clip" not in slices or query_side.mixes_towers:
            return None
        shares = [1.0] * len(slices)
        if isinstance(fusion, AlphaConcatenation):
            shares = [fusion.alpha, 1 - fusion.alpha]
        share, place = shares[[*slices].index("clip")], slices["clip"]
        if share == 0:
            return None
        prior = PriorColumns.of(query_side)
        length = prior.content_length if prior else 1.0
        return cls(place, query_side.width, length * share / float(np.linalg.norm(shares)))

    def queries(self, photos: Vectors) -> Vectors:
        """Turn photos' unit vectors into queries: (n, d) -> (n, D), of length 1 / weight."""
        queries = np.zeros((len(photos), self.whole), dtype=np.float32)
        queries[:, self.place] = photos / self.weight
        return queries
