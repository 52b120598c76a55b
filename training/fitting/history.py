"""The history of a fitted model's products, in the space of its queries."""

from functools import partial

from artifacts.history import history_place
from training.after_fit.history import product_history, with_estimate
from training.batches.training_data import TrainingData
from training.fitting.fitted_model import FittedModel
from training.recipes.recipe import HistoryRecipe


def add_history(fitted: FittedModel, chosen: HistoryRecipe, data: TrainingData) -> FittedModel:
    """Return a fitted model whose products carry the queries that they were shown for.

    Args:
        fitted: a model without a history.
        chosen: how much the history weighs, and how much is estimated for products without one.
        data: the catalogue, and what was shown for each query.
    """
    assert data.shown is not None  # see training/fitting/preflight.py
    products, spec = data.products, fitted.model.product.spec
    place = history_place(spec)
    whole = place == slice(0, spec.width)  # otherwise BiBERT's part of the vector alone
    encode = fitted.query.queries if whole else partial(fitted.query.text_vectors, "bibert")
    history = product_history(data.shown, encode, chosen.weight, place)
    if chosen.estimate:
        encoder = fitted.product
        vectors = encoder.products(products) if whole else encoder.product_text_vectors("bibert", products)
        history = with_estimate(history, vectors, products.product_ids, chosen.estimate)
    return fitted.with_history(history)
