"""The order of judged products in a model's rankings: what recall of purchases does not see.

The order of a query is the share of its pairs of an Exact product and another judged one in which the Exact product has
the higher score. The queries were held back from the fit (training/batches/judged.py), so that what is added to vectors
afterwards can be chosen by it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from artifacts.bundle import OrderChange
from towers.query_encoder import Vectors
from training.after_fit.purchase_places import Rows, Scoring

LEAST_LABELLED = 50  # queries, with fewer of which labels decide nothing
_Numbers = npt.NDArray[np.float64]


class JudgedProducts(NamedTuple):
    """The judged products of a query: their rows in the catalogue, and which of them are Exact; some are, some not."""

    rows: Rows
    exact: npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class LabelOrder:
    """Judged queries of a model, with the cosines of their judged products.

    Attributes:
        queries: (m, D) unit vectors.
        query_of: (p,) the query of each judged product.
        product_of: (p,) its row in the catalogue.
        cosines: (p,) of the query and the product.
        exact: (pairs,) place in `query_of` of the Exact product of each pair.
        other: (pairs,) that of the other one.
    """

    queries: Vectors
    query_of: Rows
    product_of: Rows
    cosines: Vectors
    exact: Rows
    other: Rows

    @classmethod
    def of(cls, queries: Vectors, judged: Sequence[JudgedProducts], products: Vectors) -> "LabelOrder":
        """Pair the judged products of each query.

        Args:
            queries: (m, D) unit vectors.
            judged: the judged products of each query.
            products: (n, D) unit vectors of the catalogue.
        """
        query_of = np.repeat(np.arange(len(judged)), [len(one.rows) for one in judged])
        product_of = np.concatenate([one.rows for one in judged])
        cosines = np.einsum("pd,pd->p", queries[query_of], products[product_of])
        starts = np.concatenate([[0], np.cumsum([len(one.rows) for one in judged])[:-1]])
        exact, other = [], []
        for start, one in zip(starts, judged, strict=True):
            of_exact, of_other = np.meshgrid(np.flatnonzero(one.exact), np.flatnonzero(~one.exact), indexing="ij")
            exact.append(start + of_exact.ravel())
            other.append(start + of_other.ravel())
        return cls(queries, query_of, product_of, cosines, np.concatenate(exact), np.concatenate(other))

    def shares(self, scoring: Scoring | None = None) -> _Numbers:
        """Return the order of each query, (m,), by cosines or with what popularity adds to them.

        Args:
            scoring: its weights are those of these queries.
        """
        scores = self.cosines
        if scoring:
            scores = scores + scoring.weights[self.query_of] * scoring.priors[self.product_of]
        right = scores[self.exact] > scores[self.other]
        of_pair = self.query_of[self.exact]
        shares: _Numbers = np.bincount(of_pair, right) / np.bincount(of_pair)
        return shares


@dataclass(frozen=True, eq=False)
class OrderLimit:
    """How much of the order popularity may cost.

    Attributes:
        order: of the model that popularity is added to.
        start: (m,) the order of each query before anything was added to the model.
        most_loss: by how many points the mean order may fall below that of the start.
    """

    order: LabelOrder
    start: _Numbers
    most_loss: float

    def allows(self, scoring: Scoring) -> bool:
        """Return whether the order with a scoring is good enough."""
        return bool(100 * (self.start.mean() - self.order.shares(scoring).mean()) <= self.most_loss)

    def change(self, scoring: Scoring) -> OrderChange:
        """Return the order of the start, and that with a scoring."""
        with_it = float(self.order.shares(scoring).mean())
        return OrderChange(queries=len(self.start), without=float(self.start.mean()), with_it=with_it)
