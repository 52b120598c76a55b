"""Recall of known relevant rows."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def recall_of_rows(
    retrieved: npt.NDArray[np.int64], relevant: Sequence[npt.NDArray[np.int64]]
) -> npt.NDArray[np.float64]:
    """Return for each query the share of its relevant rows that were retrieved.

    Args:
        retrieved: (n, k) distinct row numbers for each query; -1 is padding.
        relevant: n arrays of distinct row numbers, none of them empty.

    Returns:
        (n,) from 0 to 1.
    """
    found = [np.isin(rows, ranked).mean() for ranked, rows in zip(retrieved, relevant, strict=True)]
    return np.array(found, dtype=np.float64)
