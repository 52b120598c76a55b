"""The pairs that a recipe is fitted to, by name. This loads no model."""

from dataclasses import dataclass, replace

import pyarrow as pa

from artifacts.tower_specs import FieldNames
from training.batches.captions import caption_pairs
from training.batches.catalog_queries import most_training_queries, training_queries
from training.batches.training_data import TrainingData
from training.errors import RecipeError
from training.recipes.recipe import Recipe
from training.recipes.towers import ClipRecipe


@dataclass(frozen=True)
class PairTables:
    """The pairs that a recipe is fitted to, by name, before their queries and products are numbered.

    Attributes:
        pairs: query (or caption), product_id.
        seen_negatives: query, product_id shown but not bought; None where pairs are captions.
    """

    pairs: pa.Table
    seen_negatives: pa.Table | None


def pair_tables(recipe: Recipe, data: TrainingData, fields: FieldNames, seed: int) -> PairTables:
    """Return what a recipe is fitted to: captions for a CLIP from scratch, otherwise purchases.

    Where the recipe says so, queries made from the catalogue are added to the purchases. Without a log all pairs are
    such queries, and none are added.

    Args:
        recipe: what is fitted.
        data: catalogue and log.
        fields: columns that the text tower reads of products, whose values made queries may have.
        seed: decides the queries that are made.

    Raises:
        RecipeError: the recipe needs purchases and there is no log.
    """
    tables = _given_pairs(recipe, data)
    each = _catalog_queries(recipe, data)
    if not each:
        return tables
    made = training_queries(data.catalog.table, fields, each, seed)
    return replace(tables, pairs=pa.concat_tables([tables.pairs.select(made.column_names), made]))


def count_pairs(recipe: Recipe, data: TrainingData) -> int:
    """Return the number of pairs that a recipe is fitted to, at most; see `pair_tables` for errors raised."""
    each = _catalog_queries(recipe, data)
    made = most_training_queries(len(data.catalog.table), each)
    return len(_given_pairs(recipe, data).pairs) + made


def _catalog_queries(recipe: Recipe, data: TrainingData) -> int:
    """Return how many queries are made of each product beside the pairs of the data set."""
    return recipe.optimisation.catalog_queries if recipe.optimisation and not data.made_from_catalog else 0


def _given_pairs(recipe: Recipe, data: TrainingData) -> PairTables:
    if isinstance(recipe.clip, ClipRecipe):
        share, without = recipe.clip.title_share, data.held_out_products()
        return PairTables(caption_pairs(data.catalog, data.bought, share, without), None)
    if data.train is None:
        raise RecipeError(f"recipe {recipe.name} is fitted to purchases: prepare a data set from a search log first")
    return PairTables(data.train, data.seen_negatives)
