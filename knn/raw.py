"""The one place where FAISS is asked to search."""

import faiss
import numpy as np

from .errors import KnnError
from .neighbours import Neighbours, no_neighbours, pad_neighbours


def raw_search(
    index: faiss.Index, queries: np.ndarray, k: int, parameters: faiss.SearchParameters | None
) -> Neighbours:
    """What FAISS finds, padded to k columns.

    Args:
        index: A FAISS index on CPU or GPU.
        queries: Shape (n, d), checked by `check_vectors`.
        k: At least 1; more than the index holds is padding, not work.
        parameters: Of the type this index takes; None for its defaults.

    Returns:
        Neighbours of shape (n, k).

    Raises:
        KnnError: FAISS gave up.
    """
    wanted = min(k, index.ntotal)
    if wanted == 0 or len(queries) == 0:
        return no_neighbours(len(queries), k)
    try:
        scores, rows = index.search(queries, wanted, params=parameters)
    except (RuntimeError, AssertionError) as exc:
        raise KnnError(f"FAISS could not search {type(index).__name__} for {k} neighbours: {exc}") from exc
    return pad_neighbours(scores, rows, k)
