"""The photos of products as one list, and the vectors of such a list as one for each product.

The vector of a product is the mean direction of the vectors of its usable photos. A photo that cannot be used takes
nothing from the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

import numpy as np
import numpy.typing as npt

from towers.photos import USABLE
from towers.query_encoder import Vectors


@dataclass(frozen=True, eq=False)
class ListedPhotos:
    """The photos of products, one after the other.

    Attributes:
        images: paths or URLs; None stands for the photo of a product that has none.
        starts: (products,) place of each product's first photo in the list.
    """

    images: Sequence[str | None]
    starts: npt.NDArray[np.int64]

    @classmethod
    def of(cls, photos: Sequence[Sequence[str]]) -> "ListedPhotos":
        """List the photos of products; each product takes one place or more."""
        places = np.array([max(len(of_product), 1) for of_product in photos], np.int64)
        listed = chain.from_iterable(of_product or (None,) for of_product in photos)
        return cls(list(listed), np.cumsum(places) - places)

    def slices(self) -> list[slice]:
        """Return the places of each product in the list."""
        places = [*self.starts.tolist(), len(self.images)]
        return [slice(start, end) for start, end in pairwise(places)]

    def pooled(self, vectors: Vectors, outcomes: Sequence[str]) -> Vectors:
        """Return a unit vector for each product, (products, d).

        Args:
            vectors: (photos, d) unit vectors; those of photos that cannot be used are the tower's `no_image`, which a
                product without a usable photo gets too.
            outcomes: outcome of each photo.
        """
        if len(self.starts) == len(self.images):  # one photo each
            return vectors
        usable = np.array([outcome == USABLE for outcome in outcomes], np.bool_)
        pooled = vectors[self.starts].copy()
        several = np.flatnonzero(np.diff(self.starts, append=len(self.images)) > 1).tolist()
        places = self.slices()
        for product in several:
            of_product = vectors[places[product]][usable[places[product]]]
            if len(of_product):
                pooled[product] = _mean_direction(of_product)
        return pooled

    def first_outcomes(self, outcomes: Sequence[str]) -> list[str]:
        """Return an outcome for each product: USABLE if a photo of it is, otherwise that of its first photo."""
        return [USABLE if USABLE in outcomes[places] else outcomes[places.start] for places in self.slices()]


def _mean_direction(vectors: Vectors) -> npt.NDArray[np.float32]:
    """Return the mean of unit vectors at unit length; the first one if they cancel out."""
    mean = vectors.mean(axis=0)
    length = float(np.linalg.norm(mean))
    direction: npt.NDArray[np.float32] = mean / length if len(vectors) > 1 and length > 1e-6 else vectors[0]
    return direction
