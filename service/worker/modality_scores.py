"""What of a score came from the title and what from the photo, where the model's fusion keeps them apart."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from artifacts.side import MlpFusion, SideSpec
from service.core.errors import QueryError

Vectors = npt.NDArray[np.float32]
Parts = dict[str, npt.NDArray[np.float32]]  # by name, of each hit


@dataclass(frozen=True)
class ScoreParts:
    """The numbers of a vector that came from one tower each (paper, Eq. 3 and 4: the towers stand side by side).

    Attributes:
        ranges: Name of the part, and its first number and the one after its last.
    """

    ranges: tuple[tuple[str, int, int], ...]

    @classmethod
    def of(cls, query_side: SideSpec) -> "ScoreParts | None":
        """The parts; None where a learned fusion mixes the towers. BiBERT reads titles, CLIP looks at photos."""
        if isinstance(query_side.fusion, MlpFusion):
            return None
        ranges, start = [], 0
        for tower in query_side.towers:
            ranges.append(("text" if tower.name == "bibert" else "photo", start, start + tower.width))
            start += tower.width
        return cls(tuple(ranges))

    @property
    def names(self) -> tuple[str, ...]:
        """Of the parts, in the order of the towers."""
        return tuple(name for name, _, _ in self.ranges)

    def keep(self, name: str, query: Vectors) -> Vectors:
        """The query as this part alone has it: its products with a vector are that part of their scores.

        Args:
            query: Shape (D,).

        Raises:
            QueryError: The model has no such part.
        """
        if name not in self.names:
            raise QueryError(f"part is {name!r}, but the served model knows only {' and '.join(self.names)}")
        kept = np.zeros_like(query)
        for part, start, end in self.ranges:
            if part == name:
                kept[start:end] = query[start:end]
        return kept

    def split(self, query: Vectors, products: Vectors) -> Parts:
        """The parts of each score, which add up to it.

        Args:
            query: Shape (D,).
            products: Shape (k, D).
        """
        return {name: products[:, start:end] @ query[start:end] for name, start, end in self.ranges}
