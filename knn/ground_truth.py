"""Ground truth: queries with their exact answers, with which approximate answers are compared."""

from dataclasses import dataclass

import numpy as np

from .exact import exact_search, score_rows
from .neighbours import Neighbours
from .recall import Recall, measure_recall


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """Queries with their exact answers, made by `make_ground_truth` and used for many indexes and operating points.

    Attributes:
        products: Shape (count, d), float32; may be memory-mapped.
        queries: Shape (n, d), float32.
        exact: The exact neighbours. Shape (n, k).
    """

    products: np.ndarray
    queries: np.ndarray
    exact: Neighbours

    @property
    def k(self) -> int:
        """The cut-off of recall."""
        return int(self.exact.rows.shape[1])

    def measure(self, found: Neighbours) -> Recall:
        """Compute recall at k of answers to these queries; every row found is scored exactly.

        Args:
            found: Shape (n, k) or wider.

        Raises:
            ArgumentError: There are too few columns, or answers to another number of queries.
        """
        first = Neighbours(found.scores[:, : self.k], found.rows[:, : self.k])
        return measure_recall(first, self.exact, self.k, score_rows(self.products, self.queries, first.rows))


def make_ground_truth(products: np.ndarray, queries: np.ndarray, k: int) -> GroundTruth:
    """Search exactly for the queries; arguments and errors are those of `exact_search`."""
    return GroundTruth(products, queries, exact_search(products, queries, k))
