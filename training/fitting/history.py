"""The history of a fitted model's products, in the space of its queries, where it finds more held-out purchases.

A history of what was shown is judged alone. One of what was bought is judged together with popularity, since what it
gains in the order of products lets popularity weigh more: each of the two models, with and without the history, gets
the popularity that is chosen for it.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from artifacts.bundle import HistoryChoice
from artifacts.history import ProductHistory, history_place
from towers.query_encoder import Vectors
from towers.side_encoder import Products
from training.after_fit.gate import (
    DEPTH,
    FIRST_DEPTH,
    LEAST_QUERIES,
    Recalls,
    compare,
    describe,
    too_few_queries,
    wins,
)
from training.after_fit.history import bought_history, product_history, with_estimate
from training.after_fit.paired import interval
from training.batches.inputs import held_back_labels
from training.batches.training_data import TrainingData
from training.fitting.fitted_model import FittedModel
from training.fitting.popularity import popularity_of
from training.fitting.validation import ValidationSet, held_out_set, validate
from training.recipes.recipe import HistoryRecipe, Recipe


def add_history(fitted: FittedModel, recipe: Recipe, data: TrainingData) -> FittedModel:
    """Return a fitted model whose products carry the queries that they were shown for, where that passes the gate.

    Otherwise the model comes back without a history, and with the reason. Held-out queries have no part in any history:
    what was shown for them is not in the data.

    Args:
        fitted: a model without a history; one that is weighted by alpha is left with an alpha for either case.
        recipe: its recipe, which says how much the history weighs, and how much is estimated for products without one.
        data: the catalogue, what was shown for each query, and the held-out queries.
    """
    assert recipe.history is not None
    if data.made_from_catalog:
        return replace(fitted, history_choice=HistoryChoice(kept=False, reason="there is no log of what was shown"))
    held_out = held_out_set(data)
    if len(held_out.queries) < LEAST_QUERIES:
        return replace(fitted, history_choice=HistoryChoice(kept=False, reason=too_few_queries(len(held_out.queries))))
    having = fitted.with_history(_history(fitted, recipe.history, data))
    without, with_it = (_recalls(model, recipe, data, held_out) for model in (fitted, having))
    comparison = compare(without, with_it)
    kept = wins(comparison)
    choice = HistoryChoice(kept=kept, reason=describe(comparison), comparison=comparison)
    return replace(having if kept else fitted, history_choice=choice)


def add_bought_history(fitted: FittedModel, recipe: Recipe, data: TrainingData) -> FittedModel:
    """Return a fitted model whose products carry the queries that they were bought for, where that passes the gate.

    Each model is taken with its popularity. Recall has to pass the gate, and the order of judged products, where labels
    were held back, must not be worse by the 95% interval of its difference.

    Args:
        fitted: a model without history and popularity.
        recipe: its recipe, which says how much the history weighs.
        data: the catalogue, the purchases and the held-out queries.
    """
    assert recipe.history is not None
    count = len(held_out_set(data).queries)
    bought = _bought_by_others(recipe, data)
    if bought is None or not len(bought):
        return replace(fitted, history_choice=HistoryChoice(kept=False, reason="there is no log of what was bought"))
    if count < LEAST_QUERIES:
        return replace(fitted, history_choice=HistoryChoice(kept=False, reason=too_few_queries(count)))
    products, place, encode, vectors = _space(fitted, data)
    weight, smoothing = recipe.history.weight, recipe.history.smoothing
    history = bought_history(bought, encode, (vectors, products.product_ids), weight, smoothing, place)
    having = fitted.with_history(history)
    without, with_it = (popularity_of(model, recipe, data) for model in (fitted, having))
    comparison = compare(without.recalls(), with_it.recalls())
    orders = without.orders(), with_it.orders()
    reason, keeps_order = f"with popularity, {describe(comparison)}", True
    if orders[0] is not None and orders[1] is not None:
        change = interval(orders[1] - orders[0])
        keeps_order = change.high >= 0
        reason += (
            f"; on {len(orders[0]):,} judged queries pairs in the right order go from {100 * orders[0].mean():.2f}% "
            f"to {100 * orders[1].mean():.2f}% (by {100 * change.low:+.2f} to {100 * change.high:+.2f} points)"
        )
    kept = wins(comparison) and keeps_order
    choice = HistoryChoice(kept=kept, reason=reason, comparison=comparison)
    return replace(having if kept else fitted, history_choice=choice)


def _bought_by_others(recipe: Recipe, data: TrainingData) -> pa.Table | None:
    """Return the training pairs of a log without the queries that the fit is judged by; None without a log."""
    if data.bought is None:
        return None
    judged = pa.array(list(held_back_labels(recipe, data)), pa.string())
    return data.bought.filter(pc.invert(pc.is_in(data.bought["query"], value_set=judged)))


def _history(fitted: FittedModel, chosen: HistoryRecipe, data: TrainingData) -> ProductHistory:
    """Return the history of a model's products."""
    assert data.shown is not None  # see training/fitting/preflight.py
    products, place, encode, vectors = _space(fitted, data)
    history = product_history(data.shown, encode, chosen.weight, place)
    return with_estimate(history, vectors, products.product_ids, chosen.estimate) if chosen.estimate else history


def _space(fitted: FittedModel, data: TrainingData) -> tuple[Products, slice, Callable[[list[str]], Vectors], Vectors]:
    """Return the products, the part of vectors that histories change, and in it queries' and products' vectors."""
    products, spec, encoder = data.products, fitted.model.product.spec, fitted.product
    place = history_place(spec)
    if place == slice(0, spec.width):
        return products, place, fitted.query.queries, encoder.products(products)
    encode = partial(fitted.query.text_vectors, "bibert")  # BiBERT's part of the vector alone
    return products, place, encode, encoder.product_text_vectors("bibert", products)


def _recalls(fitted: FittedModel, recipe: Recipe, data: TrainingData, held_out: ValidationSet) -> Recalls:
    """Return the recall of each held-out query at both depths, with the alpha that is best for the model."""
    validate(fitted, recipe.query.fusion, data)
    vectors = fitted.query.queries(held_out.queries), fitted.product.products(data.products)
    found = held_out.recalls_at((FIRST_DEPTH, DEPTH), *vectors)
    return found[FIRST_DEPTH], found[DEPTH]
