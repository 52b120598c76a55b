"""The popularity of a fitted model's products, in its vectors where that finds more of the held-out purchases."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch

from artifacts.bundle import PriorChoice
from artifacts.popularity import PriorColumns, ProductPriors, columns_after
from artifacts.side import PriorSpec
from towers.model import Side
from training.after_fit.gate import LEAST_QUERIES, too_few_queries
from training.after_fit.popularity import ChosenPrior, PriorSettings, choose_prior
from training.after_fit.purchase_places import HeldOutPurchases
from training.batches.training_data import TrainingData
from training.fitting.fitted_model import FittedModel
from training.fitting.validation import VALIDATION_RECALL, held_out_set
from training.recipes.recipe import Recipe

RECALL_WITHOUT = f"{VALIDATION_RECALL}_without_prior"  # name of the metric
_TEMPERATURE = 0.05  # of recipes without an optimisation


def add_prior(fitted: FittedModel, recipe: Recipe, data: TrainingData) -> FittedModel:
    """Return a fitted model with the popularity of its products or, where that does not win, with the reason alone.

    The query side is changed in place.

    Args:
        fitted: a model without popularity, with its products' history, its alpha and its metrics.
        recipe: its recipe, which says what to choose from.
        data: the catalogue, the purchases of the training window and the held-out queries.
    """
    assert recipe.prior is not None
    rows = data.catalog.rows_by_product_id()
    sold, held_out = purchases_by_row(data, rows), held_out_set(data)
    if not sold.any():
        return replace(fitted, prior=PriorChoice(kept=False, reason="the data set has no purchases"))
    if len(held_out.queries) < LEAST_QUERIES:
        return replace(fitted, prior=PriorChoice(kept=False, reason=too_few_queries(len(held_out.queries))))
    temperature = recipe.optimisation.temperature if recipe.optimisation else _TEMPERATURE
    settings = PriorSettings(
        recipe.prior.weights,
        recipe.prior.floors,
        recipe.prior.most_loss,
        recipe.prior.limit,
        recipe.prior.by_query,
        temperature,
    )
    purchases = HeldOutPurchases(
        queries=fitted.query.queries(held_out.queries),
        products=fitted.product.products(data.products),
        bought=held_out.bought,
        sold=sold,
    )
    choice, chosen = choose_prior(purchases, settings)
    fitted = replace(fitted, prior=choice)
    if chosen is None:
        return fitted
    fitted = fitted.with_priors(_set_prior(fitted.model.query, chosen, data, sold))
    vectors = fitted.query.queries(held_out.queries), fitted.product.products(data.products)
    without = fitted.metrics[VALIDATION_RECALL]
    recall = float(held_out.recalls(*vectors).mean())
    return fitted.with_metrics({**fitted.metrics, VALIDATION_RECALL: recall, RECALL_WITHOUT: without})


def purchases_by_row(data: TrainingData, rows: dict[str, int]) -> npt.NDArray[np.int64]:
    """Return how often each product of the catalogue was bought in the training window, (n,)."""
    sold = np.zeros(len(rows), np.int64)
    if data.train is not None:
        of_pair = [rows[product_id] for product_id in data.train["product_id"].to_pylist()]
        np.add.at(sold, np.array(of_pair, np.int64), data.train["purchases"].to_numpy())
    return sold


def _set_prior(side: Side, chosen: ChosenPrior, data: TrainingData, sold: npt.NDArray[np.int64]) -> ProductPriors:
    """Give a query side the weight of popularity, in place; return the popularity of the products that were bought."""
    columns = columns_after(side.spec.content_width)
    spec = PriorSpec(columns=columns, reach=chosen.reach, limit=chosen.weight.limit)
    side.set_prior(spec, torch.from_numpy(chosen.weight.vector), chosen.weight.constant)
    bought = np.flatnonzero(sold)
    ids = pa.array(data.catalog.product_ids, pa.string()).take(pa.array(bought))
    return ProductPriors(
        ids, chosen.values[bought], chosen.estimate, PriorColumns(side.spec.content_width, columns, spec.reach)
    )
