"""The history of a fitted model's products, in the space of its queries, where it finds more held-out purchases."""

from dataclasses import replace
from functools import partial

from artifacts.bundle import HistoryChoice
from artifacts.history import ProductHistory, history_place
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
from training.after_fit.history import product_history, with_estimate
from training.batches.training_data import TrainingData
from training.fitting.fitted_model import FittedModel
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


def _history(fitted: FittedModel, chosen: HistoryRecipe, data: TrainingData) -> ProductHistory:
    """Return the history of a model's products."""
    assert data.shown is not None  # see training/fitting/preflight.py
    products, spec = data.products, fitted.model.product.spec
    place = history_place(spec)
    whole = place == slice(0, spec.width)  # otherwise BiBERT's part of the vector alone
    encode = fitted.query.queries if whole else partial(fitted.query.text_vectors, "bibert")
    history = product_history(data.shown, encode, chosen.weight, place)
    if not chosen.estimate:
        return history
    encoder = fitted.product
    vectors = encoder.products(products) if whole else encoder.product_text_vectors("bibert", products)
    return with_estimate(history, vectors, products.product_ids, chosen.estimate)


def _recalls(fitted: FittedModel, recipe: Recipe, data: TrainingData, held_out: ValidationSet) -> Recalls:
    """Return the recall of each held-out query at both depths, with the alpha that is best for the model."""
    validate(fitted, recipe.query.fusion, data)
    vectors = fitted.query.queries(held_out.queries), fitted.product.products(data.products)
    found = held_out.recalls_at((FIRST_DEPTH, DEPTH), *vectors)
    return found[FIRST_DEPTH], found[DEPTH]
