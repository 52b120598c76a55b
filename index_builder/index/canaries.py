"""Chooses the queries that become the canaries of a version (see `artifacts/canaries.py`)."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from artifacts.canaries import CANARY_DEPTH
from artifacts.manifest import Canary
from knn import Neighbours
from knn.recall import TIE_EPSILON

CANARY_QUERIES = 32


def choose_canaries(
    queries: Sequence[str], exact: Neighbours, found: Neighbours, product_ids: pa.ChunkedArray
) -> tuple[Canary, ...]:
    """Return up to CANARY_QUERIES queries that the new index answers best, with their exact answers.

    An approximate index misses some products by design, and equal scores may come in any order. So queries that it
    answers like exact search come first, and of these the ones without a tie at the cut: if such a query has another
    answer later, something is wrong.

    Args:
        queries: n queries.
        exact: their exact answers, min(CANARY_DEPTH, count) columns or more; one more shows ties.
        found: answers of the index at its operating point, min(CANARY_DEPTH, count) columns.
        product_ids: product ids by row.
    """
    depth = min(CANARY_DEPTH, len(product_ids))
    wanted = exact.rows[:, :depth]
    overlaps = np.array(
        [np.isin(there, here).mean() for here, there in zip(found.rows[:, :depth], wanted, strict=True)]
    )
    best = np.lexsort((_tied(exact, depth), -overlaps))[:CANARY_QUERIES]
    return tuple(
        Canary(query=queries[i], product_ids=tuple(product_ids.take(wanted[i]).to_pylist()))
        for i in sorted(best.tolist())
    )


def _tied(exact: Neighbours, depth: int) -> npt.NDArray[np.bool_]:
    """Return whether the last product that counts scores like the first that does not. Shape (n,), bool."""
    if exact.scores.shape[1] <= depth:
        return np.zeros(len(exact.scores), dtype=np.bool_)
    tied: npt.NDArray[np.bool_] = exact.scores[:, depth - 1] - exact.scores[:, depth] <= TIE_EPSILON
    return tied
