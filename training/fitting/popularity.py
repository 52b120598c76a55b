"""The popularity of a fitted model's products, in its vectors where that finds more of the held-out purchases."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch

from artifacts.bundle import PriorChoice
from artifacts.judgments import Relevance
from artifacts.popularity import PriorColumns, ProductPriors, columns_after
from artifacts.side import PriorSpec
from towers.model import Side
from towers.query_encoder import Vectors
from training.after_fit.gate import DEPTH, FIRST_DEPTH, LEAST_QUERIES, Recalls, too_few_queries
from training.after_fit.label_order import LEAST_LABELLED, JudgedProducts, LabelOrder, OrderLimit
from training.after_fit.popularity import ChosenPrior, PriorSettings, choose_prior
from training.after_fit.purchase_places import HeldOutPurchases, Scoring, purchase_places
from training.batches.inputs import held_back_labels
from training.batches.judged import GRADES
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
    found = popularity_of(fitted, recipe, data)
    fitted = replace(fitted, prior=found.choice)
    if found.chosen is None:
        return fitted
    fitted = fitted.with_priors(_set_prior(fitted.model.query, found.chosen, data, sold))
    vectors = fitted.query.queries(held_out.queries), fitted.product.products(data.products)
    without = fitted.metrics[VALIDATION_RECALL]
    recall = float(held_out.recalls(*vectors).mean())
    return fitted.with_metrics({**fitted.metrics, VALIDATION_RECALL: recall, RECALL_WITHOUT: without})


@dataclass(frozen=True, eq=False)
class Popularity:
    """The popularity that was chosen for a model, and what it was chosen on.

    Attributes:
        choice: the decision.
        chosen: None where there is none.
        purchases: held-out ones.
        limit: what it may cost of the order of judged products; None where too few labels were held back.
    """

    choice: PriorChoice
    chosen: ChosenPrior | None
    purchases: HeldOutPurchases
    limit: OrderLimit | None

    def recalls(self) -> Recalls:
        """Return the recall of each held-out query with the popularity, at both depths of the gate."""
        (places,) = purchase_places(self.purchases, [self._scoring(self.purchases.queries)])
        return self.purchases.recalls(places, FIRST_DEPTH), self.purchases.recalls(places, DEPTH)

    def orders(self) -> npt.NDArray[np.float64] | None:
        """Return the order of judged products of each query with the popularity; None where there is no limit."""
        if self.limit is None:
            return None
        return self.limit.order.shares(self._scoring(self.limit.order.queries))

    def _scoring(self, queries: Vectors) -> Scoring:
        if self.chosen is None:
            return Scoring(np.zeros(len(self.purchases.sold), np.float32), np.zeros(len(queries), np.float32))
        content = np.float32(np.sqrt(1 - self.chosen.reach**2))
        return Scoring(self.chosen.values / content, self.chosen.weight.of(queries))


def popularity_of(fitted: FittedModel, recipe: Recipe, data: TrainingData) -> Popularity:
    """Choose the popularity of a model's products; the model is not changed.

    Args:
        fitted: a model without popularity, with its products' history.
        recipe: its recipe, which says what to choose from.
        data: purchases, enough held-out queries, and labels, if there are any.
    """
    assert recipe.prior is not None
    held_out = held_out_set(data)
    settings = PriorSettings(
        recipe.prior.weights,
        recipe.prior.floors,
        recipe.prior.most_loss,
        recipe.prior.limit,
        recipe.prior.by_query,
        recipe.optimisation.temperature if recipe.optimisation else _TEMPERATURE,
        recipe.prior.most_order_loss,
    )
    products = fitted.product.products(data.products)
    purchases = HeldOutPurchases(
        queries=fitted.query.queries(held_out.queries),
        products=products,
        bought=held_out.bought,
        sold=purchases_by_row(data, data.catalog.rows_by_product_id()),
    )
    limit = _order_limit(fitted, products, recipe, data)
    return Popularity(*choose_prior(purchases, settings, limit), purchases, limit)


def _order_limit(fitted: FittedModel, products: Vectors, recipe: Recipe, data: TrainingData) -> OrderLimit | None:
    """Return what popularity may cost of the order of judged products, counted from the model without a history."""
    assert recipe.prior is not None
    labels = held_back_labels(recipe, data)
    if len(labels) < LEAST_LABELLED:
        return None
    queries = fitted.query.queries(list(labels))
    judged = [JudgedProducts(one.products, one.grades == GRADES[Relevance.EXACT]) for one in labels.values()]
    order = LabelOrder.of(queries, judged, products)
    start = order
    if fitted.history:
        start = LabelOrder.of(queries, judged, replace(fitted.product, history=None).products(data.products))
    return OrderLimit(order, start.shares(), recipe.prior.most_order_loss)


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
