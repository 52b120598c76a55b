"""Which products only one of two models retrieved."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Lists = npt.NDArray[np.int64]
_PADDING = -1


def shared_counts(mine: Lists, theirs: Lists) -> npt.NDArray[np.int64]:
    """How many products two models share, query by query.

    Args:
        mine: (n, K) catalogue rows, -1 for padding.
        theirs: (n, L), of the same queries.

    Returns:
        (n,)
    """
    pairs = zip(mine, theirs, strict=True)
    return np.array([len(np.intersect1d(a[a != _PADDING], b[b != _PADDING])) for a, b in pairs], dtype=np.int64)


def only_in(mine: npt.NDArray[np.int64], theirs: npt.NDArray[np.int64]) -> Sequence[int]:
    """Places in one list of the products that the other lacks, in the list's order.

    Args:
        mine: (K,) catalogue rows of one query, -1 for padding.
        theirs: (L,) of the same query.
    """
    places: list[int] = np.flatnonzero(~np.isin(mine, theirs) & (mine != _PADDING)).tolist()
    return places
