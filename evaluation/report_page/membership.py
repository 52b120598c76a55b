"""Products that two models share, and products that only one of them retrieved."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Lists = npt.NDArray[np.int64]
_PADDING = -1


def shared_counts(mine: Lists, theirs: Lists) -> npt.NDArray[np.int64]:
    """Return the number of products that two models share for each query.

    Args:
        mine: (n, K) catalogue rows, -1 for padding.
        theirs: (n, L) catalogue rows for the same queries.

    Returns:
        Counts, (n,).
    """
    pairs = zip(mine, theirs, strict=True)
    return np.array([len(np.intersect1d(a[a != _PADDING], b[b != _PADDING])) for a, b in pairs], dtype=np.int64)


def only_in(mine: npt.NDArray[np.int64], theirs: npt.NDArray[np.int64]) -> Sequence[int]:
    """Return the positions of the products of one list that are not in the other, in ascending order.

    Args:
        mine: (K,) catalogue rows of one query, -1 for padding.
        theirs: (L,) catalogue rows of the other list for the same query.
    """
    places: list[int] = np.flatnonzero(~np.isin(mine, theirs) & (mine != _PADDING)).tolist()
    return places
