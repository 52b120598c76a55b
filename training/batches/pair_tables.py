"""The pairs that a recipe is fitted to, by name. This loads no model."""

from dataclasses import dataclass

import pyarrow as pa

from training.batches.captions import caption_pairs
from training.batches.training_data import TrainingData
from training.errors import RecipeError
from training.recipes.recipe import ClipRecipe, Recipe


@dataclass(frozen=True)
class PairTables:
    """The pairs that a recipe is fitted to, by name, before their queries and products are numbered.

    Attributes:
        pairs: query (or caption), product_id.
        seen_negatives: query, product_id shown but not bought; None where pairs are captions.
    """

    pairs: pa.Table
    seen_negatives: pa.Table | None


def pair_tables(recipe: Recipe, data: TrainingData) -> PairTables:
    """Return what a recipe is fitted to: captions for a CLIP from scratch, otherwise purchases.

    Raises:
        RecipeError: the recipe needs purchases and there is no log.
    """
    if isinstance(recipe.clip, ClipRecipe):
        return PairTables(caption_pairs(data.catalog, data.train, recipe.clip.title_share), None)
    if data.train is None:
        raise RecipeError(f"recipe {recipe.name} is fitted to purchases: prepare a data set from a search log first")
    return PairTables(data.train, data.seen_negatives)
