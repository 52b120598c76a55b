"""A fit of a pretrained text tower against its start, the same encoder with all of its layers as it was pretrained.

A fit on little data can lose what the encoder brought along. It is measured on two kinds of queries: those that were
held out of the log, and queries made from the catalogue (training/batches/catalog_queries.py), which stand for what no
log holds. The fit is kept unless it loses significantly on the held-out queries or, where there are too few of them, on
the others.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from towers.side_encoder import SideEncoder
from training.after_fit.paired import interval
from training.batches.catalog_queries import check_queries
from training.batches.training_data import TrainingData
from training.fitting.fitted_model import FittedModel
from training.fitting.validation import RECALL_DEPTH, ValidationSet, validation_set
from training.model.start import StartingModel, starting_model
from training.recipes.recipe import PretrainedBertRecipe, Recipe

FEWEST_HELD_OUT = 50  # held-out queries, with fewer of which queries of the catalogue decide


def start_of(recipe: Recipe) -> Recipe | None:
    """Return the recipe of a fit's start: all layers of the pretrained encoder, and nothing trained.

    None where the fit has no such start: other towers take part, or the text tower is not a pretrained one that is
    trained.
    """
    alone = recipe.query.towers == recipe.product.towers == ("bibert",)
    if not (alone and "bibert" in recipe.train and isinstance(recipe.bibert, PretrainedBertRecipe)):
        return None
    whole = recipe.bibert.model_copy(update={"layers": "all", "lora": None})
    return recipe.model_copy(update={"bibert": whole, "train": (), "optimisation": None})


@dataclass(frozen=True)
class Comparison:
    """Recall@100 of the fit and of its start on the same queries.

    Attributes:
        key: what the queries are, for metrics.
        queries: what the queries are, for messages.
        fitted: recall of each query by the fit.
        start: recall of each query by its start.
    """

    key: str
    queries: str
    fitted: npt.NDArray[np.float64]
    start: npt.NDArray[np.float64]

    @property
    def is_lost(self) -> bool:
        """Whether the fit is behind its start, by a paired interval of 95% over the queries."""
        return interval(self.fitted - self.start).high < 0

    def __str__(self) -> str:
        """Return both recalls in a sentence."""
        return (
            f"recall@{RECALL_DEPTH} on {len(self.fitted):,} {self.queries}: {100 * self.fitted.mean():.1f} "
            f"after {100 * self.start.mean():.1f} at the start"
        )


def compare(fitted: FittedModel, start: StartingModel, data: TrainingData, seed: int) -> list[Comparison]:
    """Measure a fit and its start on held-out queries, if there are some, and on queries of the catalogue.

    The comparison that decides stands first.
    """
    fields = fitted.product.tokenizers["bibert"].text.fields
    rows = data.catalog.rows_by_product_id()
    made = check_queries(data.catalog.table, fields, seed)
    sets = [("catalog", "queries made from the catalogue", validation_set(made, rows))]
    if data.validation:
        sets.insert(0, ("held_out", "held-out queries", validation_set(data.validation, rows)))
    encoders = ((fitted.query, fitted.product), start.encoders(fitted.product.cache))
    products = [product.products(data.products) for _, product in encoders]

    def recalls(queries: ValidationSet, which: int) -> npt.NDArray[np.float64]:
        query: SideEncoder = encoders[which][0]
        return queries.recalls(query.queries(queries.queries), products[which])

    found = [Comparison(key, name, recalls(some, 0), recalls(some, 1)) for key, name, some in sets if some.queries]
    few = len(found) > 1 and len(found[0].fitted) < FEWEST_HELD_OUT
    return found[::-1] if few else found


def keep_the_better(fitted: FittedModel, recipe: Recipe, data: TrainingData, seed: int) -> FittedModel:
    """Return a fit or, where it lost to its start, the start; with both recalls among the metrics.

    A fit without such a start is returned as it is.
    """
    recipe_of_start = start_of(recipe)
    if recipe_of_start is None:
        return fitted
    fields = fitted.product.tokenizers["bibert"].text.fields
    start = starting_model(recipe_of_start, [], {}, fields)
    start.model.eval()
    found = compare(fitted, start, data, seed)
    for comparison in found:
        print(comparison)
    metrics = dict(fitted.metrics)
    for comparison in found:
        metrics[f"{comparison.key}_recall_at_{RECALL_DEPTH}"] = float(comparison.fitted.mean())
        metrics[f"{comparison.key}_start_recall_at_{RECALL_DEPTH}"] = float(comparison.start.mean())
    if not (found and found[0].is_lost):
        return fitted.with_metrics(metrics)
    print(f"the start is kept, all layers as they were pretrained: the fit finds less on {found[0].queries}")
    query, product = start.encoders(fitted.product.cache)
    kept = replace(fitted, model=start.model, tokenizers=start.tokenizers, query=query, product=product)
    return kept.with_metrics({**metrics, "start_kept": 1.0})
