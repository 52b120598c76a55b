"""Recall on the held-out queries, which measures a fitted model and decides alpha."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from artifacts.side import AlphaConcatenation
from artifacts.tower_specs import TowerName
from knn import exact_search, recall_of_rows
from towers.fusion import AlphaConcatenate
from towers.model import Model
from towers.query_encoder import Vectors
from training.after_fit.paired import is_within_one_error
from training.batches.training_data import TrainingData
from training.fitting.fitted_model import FittedModel
from training.recipes.recipe import AlphaSearch, FusionRecipe

RECALL_DEPTH = 100
VALIDATION_RECALL = f"validation_recall_at_{RECALL_DEPTH}"  # name of the metric


@dataclass(frozen=True)
class ValidationSet:
    """Held-out queries, with the catalogue rows that were bought for them."""

    queries: list[str]
    bought: list[npt.NDArray[np.int64]]  # rows of the catalogue, one array for each query

    def recalls(self, query_vectors: Vectors, product_vectors: Vectors) -> npt.NDArray[np.float64]:
        """Return Recall@100 of each query: the share of its purchases that is among its 100 nearest products."""
        (found,) = self.recalls_at((RECALL_DEPTH,), query_vectors, product_vectors).values()
        return found

    def recalls_at(
        self, depths: Sequence[int], query_vectors: Vectors, product_vectors: Vectors
    ) -> dict[int, npt.NDArray[np.float64]]:
        """Return the recall of each query at each depth, from one search."""
        rows = exact_search(product_vectors, query_vectors, min(max(depths), len(product_vectors))).rows
        return self.recalls_of(rows, depths)

    def recalls_of(self, rows: npt.NDArray[np.int64], depths: Sequence[int]) -> dict[int, npt.NDArray[np.float64]]:
        """Return the recall of each query at each depth among products in the order found, (queries, deepest)."""
        return {depth: recall_of_rows(rows[:, :depth], self.bought) for depth in depths}


def validation_set(pairs: pa.Table, rows: dict[str, int]) -> ValidationSet:
    """Group validation pairs (query, product_id) by query."""
    bought: dict[str, list[int]] = {}
    for query, product_id in zip(pairs["query"].to_pylist(), pairs["product_id"].to_pylist(), strict=True):
        bought.setdefault(query, []).append(rows[product_id])
    return ValidationSet(list(bought), [np.array(found, dtype=np.int64) for found in bought.values()])


def held_out_set(data: TrainingData) -> ValidationSet:
    """Return the held-out queries of a data set, which may be none."""
    if not data.validation:
        return ValidationSet([], [])
    return validation_set(data.validation, data.catalog.rows_by_product_id())


def validate(fitted: FittedModel, query_fusion: FusionRecipe, data: TrainingData) -> dict[str, float]:
    """Return a fitted model's recall on the held-out queries; an alpha-weighted model gets its alpha first, in place.

    Args:
        fitted: the model, with its products' history.
        query_fusion: the fusion of the recipe's query side, with the alphas to choose from.
        data: the catalogue and the held-out queries; without any the result is empty.
    """
    held_out = held_out_set(data)
    if not held_out.queries:
        return {}
    metrics: dict[str, float] = {}
    if isinstance(query_fusion, AlphaSearch):
        names = [tower.name for tower in fitted.model.query.spec.towers]
        by_query = {name: fitted.query.text_vectors(name, held_out.queries) for name in names}
        by_product = fitted.product.product_tower_vectors(data.products)
        choice = choose_alpha(query_fusion.choices, held_out, by_query, by_product, fitted, data.products.product_ids)
        set_alpha(fitted.model, choice.alpha)
        metrics = {f"recall_at_alpha_{alpha:g}": recall for alpha, recall in choice.recall_by_alpha.items()}
        metrics["alpha"] = choice.alpha
    vectors = fitted.query.queries(held_out.queries), fitted.product.products(data.products)
    return {VALIDATION_RECALL: float(held_out.recalls(*vectors).mean()), **metrics}


@dataclass(frozen=True)
class AlphaChoice:
    """The alpha that was chosen, and the mean recall of each alpha that was tried."""

    alpha: float
    recall_by_alpha: dict[float, float]


def choose_alpha(
    choices: Sequence[float],
    held_out: ValidationSet,
    queries: Mapping[TowerName, Vectors],
    products: Mapping[TowerName, Vectors],
    fitted: FittedModel,
    product_ids: Sequence[str],
) -> AlphaChoice:
    """Try each alpha of Eq. 4 on the held-out queries.

    Of the alphas whose recall is within one standard error of the best (paired over the queries), the one
    nearest to a half is taken: a lead that is smaller than the sample can show does not justify an unequal weight.

    Args:
        choices: the alphas.
        held_out: the queries.
        queries: vectors of the held-out queries by each tower.
        products: vectors of the catalogue by each tower.
        fitted: an alpha-weighted model; it is left with the alpha that was tried last.
        product_ids: the catalogue's ids, by which the products' history is found.
    """
    recalls = {}
    for alpha in choices:
        set_alpha(fitted.model, alpha)
        fused = fitted.product.fuse(products)
        searched = fitted.history.add_to(fused, product_ids) if fitted.history else fused
        recalls[alpha] = held_out.recalls(fitted.query.fuse(queries), searched)
    best = max(recalls.values(), key=np.mean)
    as_good = [alpha for alpha in choices if is_within_one_error(best - recalls[alpha])]
    chosen = min(as_good, key=lambda alpha: (abs(alpha - 0.5), -recalls[alpha].mean()))
    return AlphaChoice(chosen, {alpha: float(recall.mean()) for alpha, recall in recalls.items()})


def set_alpha(model: Model, alpha: float) -> None:
    """Set a model's alpha on both sides, in place."""
    for side in (model.query, model.product):
        assert isinstance(side.fusion, AlphaConcatenate)
        side.fusion.alpha = alpha
        side.spec = side.spec.model_copy(update={"fusion": AlphaConcatenation(alpha=alpha)})
