"""Which type of index, for how many vectors."""

import math
from dataclasses import dataclass

from .errors import ArgumentError, IndexSpecError

# Up to here every row is scored: exact, and about 2 ms a query of one thread at a width of 256. Much below,
# the lists of the formula would lack rows to train on.
FLAT_MAX_ROWS = 50_000
# Inverted lists per square root of the row count, the lower end of what the FAISS guidelines advise (4 to
# 16): visiting few lists of a short coarse table is what makes a single query cheap.
LISTS_PER_ROOT = 4
# k-means warns below 39 vectors a list and subsamples above 256; 64 keeps the training of large indexes
# short.
TRAINING_ROWS_PER_LIST = 64
# FAISS decodes half-precision numbers eight at a time; for other widths it falls back to one at a time.
_HALF_PRECISION_STEP = 8


@dataclass(frozen=True)
class IndexSpec:
    """What to build.

    Attributes:
        factory: Any FAISS factory string whose rows are numbered by order of adding, such as
            ``IVF2048,SQfp16``.
        training_rows: How many vectors to sample for training; 0 for a type that needs none.

    Raises:
        IndexSpecError: An empty factory string or a negative number. Whether FAISS knows the string shows
            when the index is built.
    """

    factory: str
    training_rows: int

    def __post_init__(self) -> None:
        if not isinstance(self.factory, str) or not self.factory.strip():
            raise IndexSpecError(f"factory: expected a FAISS factory string such as 'Flat', got {self.factory!r}")
        if type(self.training_rows) is not int or self.training_rows < 0:
            raise IndexSpecError(f"training_rows: expected a whole number from 0 up, got {self.training_rows!r}")


def choose_index_type(count: int, width: int) -> IndexSpec:
    """The index type for this many vectors of this width.

    Up to `FLAT_MAX_ROWS` all rows are searched (``Flat``). Above, ``IVF{lists},SQfp16``: inverted lists of
    half-precision numbers. Measured on 300,000 x 256 vectors whose spectrum is that of fused embeddings (one
    thread, strict recall@100, ms a query alone, nprobe 32): SQfp16 0.9999 at 0.21; SQ8 0.994 at 0.21, where
    it stays however many lists are visited, since 8 bits lose the order of near scores; SQ8 refined by SQfp16
    0.9997 at 0.26 and half as large again; Flat lists 0.9999 at 0.39. SQfp16 also moves to a GPU as it is,
    which refined types do not. A width that is no multiple of 8 gets ``IVF{lists},Flat``, since half
    precision is slow there.

    The number of lists is the power of two nearest to 4 * sqrt(count) on a logarithmic scale: 1,024 for
    60,000 rows, 8,192 for 3.38 million.

    Args:
        count: Number of vectors, from 0 up.
        width: Numbers per vector, at least 1.

    Raises:
        ArgumentError: A count or a width out of range.
    """
    if count < 0 or width < 1:
        raise ArgumentError(f"expected a count from 0 and a width from 1, got {count} and {width}")
    if count <= FLAT_MAX_ROWS:
        return IndexSpec("Flat", training_rows=0)
    lists = 2 ** round(math.log2(LISTS_PER_ROOT * math.sqrt(count)))
    codes = "SQfp16" if width % _HALF_PRECISION_STEP == 0 else "Flat"
    return IndexSpec(f"IVF{lists},{codes}", training_rows=min(count, TRAINING_ROWS_PER_LIST * lists))
