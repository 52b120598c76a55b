"""Recall on the held-out queries, by which fits are watched and alpha is chosen."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from artifacts.side import AlphaConcatenation, TowerName
from knn import exact_search, recall_of_rows
from towers.fusion import AlphaConcatenate
from towers.model import Model
from towers.query_encoder import Vectors
from towers.side_encoder import SideEncoder

RECALL_DEPTH = 100


@dataclass(frozen=True)
class ValidationSet:
    """Held-out queries with the catalogue rows that were bought for them."""

    queries: list[str]
    bought: list[npt.NDArray[np.int64]]  # rows, one array a query

    def recalls(self, query_vectors: Vectors, product_vectors: Vectors) -> npt.NDArray[np.float64]:
        """Recall@100 of each query: which share of its purchases is among its 100 nearest products."""
        nearest = exact_search(product_vectors, query_vectors, min(RECALL_DEPTH, len(product_vectors)))
        return recall_of_rows(nearest.rows, self.bought)


def validation_set(pairs: pa.Table, rows: dict[str, int]) -> ValidationSet:
    """Group validation pairs (query, product_id) by query."""
    bought: dict[str, list[int]] = {}
    for query, product_id in zip(pairs["query"].to_pylist(), pairs["product_id"].to_pylist(), strict=True):
        bought.setdefault(query, []).append(rows[product_id])
    return ValidationSet(list(bought), [np.array(found, dtype=np.int64) for found in bought.values()])


@dataclass(frozen=True)
class AlphaChoice:
    """Mean recall of each alpha that was tried, and the one that was chosen."""

    alpha: float
    recall_by_alpha: dict[float, float]


def choose_alpha(
    choices: Sequence[float],
    held_out: ValidationSet,
    queries: dict[TowerName, Vectors],
    products: dict[TowerName, Vectors],
    model: Model,
    move: Callable[[Vectors], Vectors] = lambda vectors: vectors,
) -> AlphaChoice:
    """Try each alpha of Eq. 4 on the held-out queries.

    Of the alphas whose recall is within one standard error of the best (paired over the queries), the one
    nearest to a half is taken: a lead that the sample cannot show is no reason to weigh a tower down.

    Args:
        choices: the alphas.
        held_out: the queries.
        queries: vectors of the held-out queries by each tower.
        products: vectors of the catalogue by each tower.
        model: an alpha-weighted model; its specifications are used, not its alpha.
        move: makes what is searched of the catalogue's fused vectors.
    """
    recalls = {}
    for alpha in choices:
        with_alpha(model, alpha)
        query, product = SideEncoder(model.query, {}), SideEncoder(model.product, {})
        recalls[alpha] = held_out.recalls(query.fuse(queries), move(product.fuse(products)))
    best = max(recalls.values(), key=np.mean)
    as_good = [alpha for alpha in choices if _within_one_error(recalls[alpha], best)]
    chosen = min(as_good, key=lambda alpha: (abs(alpha - 0.5), -recalls[alpha].mean()))
    return AlphaChoice(chosen, {alpha: float(recall.mean()) for alpha, recall in recalls.items()})


def _within_one_error(recalls: npt.NDArray[np.float64], best: npt.NDArray[np.float64]) -> bool:
    behind = best - recalls
    return bool(behind.mean() <= behind.std() / np.sqrt(len(behind)))


def with_alpha(model: Model, alpha: float) -> None:
    """Set a model's alpha, on both sides."""
    for side in (model.query, model.product):
        assert isinstance(side.fusion, AlphaConcatenate)
        side.fusion.alpha = alpha
        side.spec = side.spec.model_copy(update={"fusion": AlphaConcatenation(alpha=alpha)})
