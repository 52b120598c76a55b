"""The only function that calls FAISS's search."""

import faiss
import numpy as np

from .errors import KnnError
from .neighbours import Neighbours, no_neighbours, pad_neighbours


def raw_search(
    index: faiss.Index, queries: np.ndarray, k: int, parameters: faiss.SearchParameters | None
) -> Neighbours:
    """Search with FAISS and pad the result to k columns.

    Args:
        index: A FAISS index on CPU or GPU.
        queries: Shape (n, d), checked by `check_vectors`.
        k: At least 1. Columns beyond the number of rows are padding.
        parameters: Search parameters of the type that this index takes; None for its defaults.

    Returns:
        Neighbours of shape (n, k).

    Raises:
        KnnError: FAISS failed.
    """
    wanted = min(k, index.ntotal)
    if wanted == 0 or len(queries) == 0:
        return no_neighbours(len(queries), k)
    try:
        scores, rows = index.search(queries, wanted, params=parameters)
    except (RuntimeError, AssertionError) as exc:
        raise KnnError(f"FAISS could not search {type(index).__name__} for {k} neighbours: {exc}") from exc
    return pad_neighbours(scores, rows, k)
