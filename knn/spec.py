"""The type of an index to build, and the size of the sample that it is trained on."""

import re
from dataclasses import dataclass

from .errors import IndexSpecError

# k-means warns below 39 vectors per list and subsamples above 256. A low number keeps the training of large indexes
# short.
TRAINING_ROWS_PER_LIST = 40
# The least sample for every type but Flat. It is ample for product quantizers, whose codebooks have 256 entries.
LEAST_TRAINING_ROWS = 65_536


@dataclass(frozen=True)
class IndexSpec:
    """The type of an index to build.

    Attributes:
        factory: Any FAISS factory string whose rows are numbered in the order of adding, such as
            ``IVF2048,SQfp16``.
        training_rows: How many vectors to sample for training; 0 for a type that needs none.

    Raises:
        IndexSpecError: The factory string is empty or the number is negative. Whether FAISS knows the string is
            checked when the index is built.
    """

    factory: str
    training_rows: int

    def __post_init__(self) -> None:
        if not isinstance(self.factory, str) or not self.factory.strip():
            raise IndexSpecError(f"factory: expected a FAISS factory string such as 'Flat', got {self.factory!r}")
        if type(self.training_rows) is not int or self.training_rows < 0:
            raise IndexSpecError(f"training_rows: expected a whole number from 0 up, got {self.training_rows!r}")

    @property
    def list_count(self) -> int:
        """Number of inverted lists in the factory string; 0 if it has none."""
        return max((int(number) for number in re.findall(r"IVF(\d+)", self.factory)), default=0)

    def with_lists(self, lists: int, count: int) -> "IndexSpec":
        """Return the same type with another number of lists, for `count` vectors."""
        return spec_of_factory(re.sub(r"IVF\d+", f"IVF{lists}", self.factory), count)


def spec_of_factory(factory: str, count: int) -> IndexSpec:
    """Return the spec of a factory string, with the size of the training sample for its lists and `count` vectors."""
    lists = IndexSpec(factory, 0).list_count
    rows = 0 if factory == "Flat" else max(LEAST_TRAINING_ROWS, TRAINING_ROWS_PER_LIST * lists)
    return IndexSpec(factory, min(count, rows))
