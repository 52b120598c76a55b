"""The weight that each query gives to popularity, l = w . q + c, fitted to held-out purchases.

Broad queries, which many products fit, need more of popularity than narrow ones. With t the temperature, g_p the prior
of product p, and P(p) in proportion to exp((cos(q, p) + l g_p) / t) over the whole catalogue, w and c minimise the mean
over purchases of -log P(bought), plus RIDGE |w|^2. A query's loss is convex in its l, and its derivative is the prior
that P expects less the prior of what was bought, over t. These derivatives are tabulated for a few values of l between
0 and the limit, for all queries at once, and read linearly between them, so that each step of Newton's method costs
next to nothing.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from towers.query_encoder import Vectors
from training.after_fit.purchase_places import HeldOutPurchases, Rows

RIDGE = 0.01
_TABLED = 9  # values of l
_STEPS = 25
_STEP = 0.5  # of Newton's: the table's derivatives have corners, at which a whole step could go to and fro
_PRODUCTS_PER_BLOCK = 1 << 12
_Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class QueryWeight:
    """The weight of popularity by query.

    Attributes:
        vector: w, (D,) float32.
        constant: c.
        limit: weights are at most this, and at least 0.
    """

    vector: Vectors
    constant: float
    limit: float

    def of(self, queries: Vectors) -> Vectors:
        """Return the weight of each query, (m, D) -> (m,) float32."""
        weights: Vectors = np.clip(queries @ self.vector + np.float32(self.constant), 0, self.limit).astype(np.float32)
        return weights


def constant_weight(width: int, limit: float) -> QueryWeight:
    """Return the weight 1 for every query, or the limit where that is less."""
    return QueryWeight(np.zeros(width, np.float32), min(1.0, limit), limit)


@dataclass(frozen=True, eq=False)
class Derivatives:
    """The derivative of each query's loss by its weight, at `values`, (m, len(values)); it grows with the weight."""

    values: _Numbers
    table: _Numbers

    @classmethod
    def of(cls, held_out: HeldOutPurchases, priors: Vectors, temperature: float, limit: float) -> "Derivatives":
        """Tabulate the derivatives for weights from 0 to the limit.

        Args:
            held_out: queries and purchases.
            priors: (n,) of the catalogue.
            temperature: t.
            limit: the largest weight.
        """
        values = np.linspace(0, limit, _TABLED)
        factors = np.exp(values * priors[:, None].astype(np.float64) / temperature)  # (n, values)
        sums, expected = np.zeros((2, len(held_out.queries), _TABLED))
        for start in range(0, len(priors), _PRODUCTS_PER_BLOCK):
            block = slice(start, start + _PRODUCTS_PER_BLOCK)
            cosines = (held_out.queries @ held_out.products[block].T).astype(np.float64)
            exponentials = np.exp((cosines - 1) / temperature)
            sums += exponentials @ factors[block]
            expected += exponentials @ (factors[block] * priors[block, None])
        counts = np.bincount(held_out.query_of)
        bought = np.bincount(held_out.query_of, priors[held_out.product_of]) / counts
        return cls(values, (expected / sums - bought[:, None]) / temperature)

    def at(self, weights: _Numbers) -> tuple[_Numbers, _Numbers]:
        """Return first and second derivatives at one weight for each query, both (m,), read linearly."""
        step = self.values[1] - self.values[0]
        left = np.clip((weights / step).astype(np.int64), 0, len(self.values) - 2)
        rows = np.arange(len(weights))
        slopes = (self.table[rows, left + 1] - self.table[rows, left]) / step
        return self.table[rows, left] + slopes * (weights - self.values[left]), slopes


def fit_weight(queries: Vectors, derivatives: Derivatives, chosen: Rows) -> QueryWeight:
    """Fit the weight to some queries, and scale it to a mean of 1 over them, so that it only moves popularity about.

    Args:
        queries: (m, D) unit vectors.
        derivatives: of these queries.
        chosen: the queries to fit to.
    """
    inputs = np.hstack([queries[chosen], np.ones((len(chosen), 1))]).astype(np.float64)
    part, limit = Derivatives(derivatives.values, derivatives.table[chosen]), float(derivatives.values[-1])
    ridge = 2 * RIDGE * np.eye(inputs.shape[1])
    ridge[-1, -1] = 0
    solution = np.zeros(inputs.shape[1])
    solution[-1] = min(1.0, limit)
    for _ in range(_STEPS):
        first, second = part.at(inputs @ solution)
        gradient = inputs.T @ first / len(chosen) + ridge @ solution
        curvature = (inputs * np.maximum(second, 1e-9)[:, None]).T @ inputs / len(chosen) + ridge
        solution -= _STEP * np.linalg.solve(curvature, gradient)
    solution *= _scale_to_mean_one(inputs @ solution, limit)
    return QueryWeight(solution[:-1].astype(np.float32), float(solution[-1]), limit)


def _scale_to_mean_one(weights: _Numbers, limit: float) -> float:
    """Return the factor after which weights, kept within 0 and the limit, have the mean 1, or as near as can be."""
    least, most = 0.0, 1.0
    while np.clip(most * weights, 0, limit).mean() < 1 and most < 1e6:
        most *= 2
    for _ in range(60):
        middle = (least + most) / 2
        least, most = (middle, most) if np.clip(middle * weights, 0, limit).mean() < 1 else (least, middle)
    return most
