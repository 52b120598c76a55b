"""Which queries become a version's canaries (see `artifacts/canaries.py`)."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from artifacts.canaries import CANARY_DEPTH
from artifacts.index_version import Canary
from knn import Neighbours
from knn.recall import TIE_EPSILON

CANARY_QUERIES = 32


def choose_canaries(
    queries: Sequence[str], exact: Neighbours, found: Neighbours, product_ids: pa.ChunkedArray
) -> tuple[Canary, ...]:
    """Up to CANARY_QUERIES queries that the new index answers best, with their exact answers.

    An approximate index misses some products by design, and among equal scores any order is right. So the
    queries that it answers like exact search come first, and of those the ones without a tie at the cut:
    if such a query comes out otherwise later, something is wrong.

    Args:
        queries: n queries.
        exact: their exact answers, at least min(CANARY_DEPTH, count) columns and one more to see ties.
        found: what the index finds at its operating point, as many columns as are compared.
        product_ids: by row.
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
    """Whether the last product that counts scores like the first that does not. Shape (n,), bool."""
    if exact.scores.shape[1] <= depth:
        return np.zeros(len(exact.scores), dtype=np.bool_)
    tied: npt.NDArray[np.bool_] = exact.scores[:, depth - 1] - exact.scores[:, depth] <= TIE_EPSILON
    return tied
