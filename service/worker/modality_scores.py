"""The contributions of title and photo to a score, for models whose fusion keeps them apart."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from artifacts.side import SideSpec
from service.core.errors import QueryError
from service.worker.ranking import ModalityValues

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ModalityScores:
    """The ranges of a vector that come from one tower each (paper, Eq. 3 and 4: towers are concatenated).

    Attributes:
        ranges: for each modality its name, its first dimension and the one after its last.
    """

    ranges: tuple[tuple[str, int, int], ...]

    @classmethod
    def of(cls, query_side: SideSpec) -> "ModalityScores | None":
        """Return the ranges of a model; None if a learned fusion mixes its towers.

        BiBERT reads titles and CLIP reads photos.
        """
        if query_side.mixes_towers:
            return None
        ranges, start = [], 0
        for tower in query_side.towers:
            ranges.append(("text" if tower.name == "bibert" else "photo", start, start + tower.width))
            start += tower.width
        return cls(tuple(ranges))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the modalities, in the order of the towers."""
        return tuple(name for name, _, _ in self.ranges)

    def restrict(self, query: Vectors, modality: str) -> Vectors:
        """Return the query with all other modalities set to zero, so that products are scored by this one alone.

        Args:
            query: the query's vector. Shape (D,).
            modality: the name of the modality.

        Raises:
            QueryError: the model has no such modality.
        """
        if modality not in self.names:
            raise QueryError(f"part is {modality!r}, but the served model knows only {' and '.join(self.names)}")
        restricted = np.zeros_like(query)
        for name, start, end in self.ranges:
            if name == modality:
                restricted[start:end] = query[start:end]
        return restricted

    def split(self, query: Vectors, products: Vectors) -> ModalityValues:
        """Return what each modality contributes to each score; the contributions add up to the score.

        Args:
            query: the query's vector. Shape (D,).
            products: the products' vectors. Shape (k, D).
        """
        return {name: products[:, start:end] @ query[start:end] for name, start, end in self.ranges}
