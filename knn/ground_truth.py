"""What approximate answers are measured against."""

from dataclasses import dataclass

import numpy as np

from .exact import exact_search, score_rows
from .neighbours import Neighbours
from .recall import Recall, measure_recall


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """Queries with their exact answers; made by `make_ground_truth`, used for many indexes and operating points.

    Attributes:
        products: Shape (count, d), float32; may be memory-mapped.
        queries: Shape (n, d), float32.
        exact: Shape (n, k).
    """

    products: np.ndarray
    queries: np.ndarray
    exact: Neighbours

    @property
    def k(self) -> int:
        """The cut-off of recall."""
        return int(self.exact.rows.shape[1])

    def measure(self, found: Neighbours) -> Recall:
        """Recall at k of the answers to these queries, at least k columns. Scores every row found, exactly.

        Raises:
            ArgumentError: Too few columns, or answers to another number of queries.
        """
        first = Neighbours(found.scores[:, : self.k], found.rows[:, : self.k])
        return measure_recall(first, self.exact, self.k, score_rows(self.products, self.queries, first.rows))


def make_ground_truth(products: np.ndarray, queries: np.ndarray, k: int) -> GroundTruth:
    """The ground_truth of these queries; arguments and errors are those of `exact_search`."""
    return GroundTruth(products, queries, exact_search(products, queries, k))
