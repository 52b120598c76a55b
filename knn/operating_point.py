"""The operating point of an index: the search parameters that trade speed for recall."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from .errors import ArgumentError

DEFAULT_EF_SEARCH = 16  # FAISS's own, with which graphs of older versions are searched


@dataclass(frozen=True)
class OperatingPoint:
    """The search parameters of one search. A parameter that the index type lacks is None.

    Attributes:
        nprobe: Inverted lists visited per query, at least 1; None for an index without lists.
        k_factor: The coarse index hands k * k_factor candidates to the refinement, at least 1; None for an
            index without refinement.
        ef_search: Candidates that a search keeps while it walks a graph, at least 1; fewer than the neighbours asked
            for count as that many. None for an index without a graph, and for `DEFAULT_EF_SEARCH`.

    Raises:
        ArgumentError: A parameter is out of its range.

    Example:
        >>> OperatingPoint(nprobe=32).to_dict()
        {'nprobe': 32, 'k_factor': None, 'ef_search': None}
    """

    nprobe: int | None = None
    k_factor: float | None = None
    ef_search: int | None = None

    def __post_init__(self) -> None:
        for name, value in (("nprobe", self.nprobe), ("ef_search", self.ef_search)):
            if value is not None and (type(value) is not int or value < 1):
                raise ArgumentError(f"{name}: expected a whole number of at least 1 or None, got {value!r}")
        if self.k_factor is not None and not _is_factor(self.k_factor):
            raise ArgumentError(f"k_factor: expected a finite number of at least 1 or None, got {self.k_factor!r}")

    def to_dict(self) -> dict[str, int | float | None]:
        """Return the parameters by name, as values that JSON can hold."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, int | float | None]) -> "OperatingPoint":
        """Return the point that `to_dict` gave; a missing parameter is None.

        Raises:
            ArgumentError: A parameter is unknown or out of its range.
        """
        unknown = sorted(set(values) - {"nprobe", "k_factor", "ef_search"})
        if unknown:
            raise ArgumentError(f"operating point: expected nprobe, k_factor and ef_search, got {', '.join(unknown)}")
        return cls(**values)  # type: ignore[arg-type]


def _is_factor(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and value >= 1  # type: ignore[arg-type, operator]
