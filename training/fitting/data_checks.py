"""What a recipe needs of a data set, so that it can be fitted on it. This loads no model.

`check_request` (training/fitting/preflight.py) refuses a fit by it; `training experiments` says by it, before anything
is fitted, which rows are left out.
"""

import pyarrow.compute as pc

from training.batches.fields import check_named_fields
from training.batches.pair_tables import count_pairs
from training.batches.training_data import TrainingData
from training.batches.usable_photos import count_photos, describe_unusable, has_usable_photo
from training.errors import RecipeError
from training.recipes.recipe import AlphaSearch, Recipe
from training.recipes.towers import ClipRecipe

FEWEST_PAIRS = 2  # a batch of one has nothing to tell its product from


def check_data(recipe: Recipe, data: TrainingData, devices: int = 1, *, has_start: bool = False) -> None:
    """Refuse a data set that a recipe cannot be fitted on.

    Args:
        recipe: what is to be fitted.
        data: the data set.
        devices: the number of devices that share each batch.
        has_start: whether too few pairs give the start of the fit (training/fitting/pretrained_start.py).

    Raises:
        RecipeError: the data set lacks something that the recipe needs.
    """
    _check_photos(recipe, data)
    if recipe.train and not has_start:
        _check_pairs(recipe, count_pairs(recipe, data), max(FEWEST_PAIRS, devices))
    check_named_fields(recipe, data.catalog)
    _check_history(recipe, data)
    _check_alpha(recipe, data)


def _check_pairs(recipe: Recipe, pairs: int, least: int) -> None:
    """Refuse too few pairs for any batch."""
    if pairs >= least:
        return
    remedy = (
        "give more titles with photos"
        if isinstance(recipe.clip, ClipRecipe)
        else "prepare a data set with a longer --training-months or a lower --threshold"
    )
    raise RecipeError(f"recipe {recipe.name} needs {least} pairs or more, and there are {pairs}; {remedy}")


def _check_photos(recipe: Recipe, data: TrainingData) -> None:
    """Refuse to train a CLIP of its own where no product has a photo that it could read.

    A pretrained pair is taken as it is: the index builder reads photos at addresses too.
    """
    if recipe.clip is None or "clip" not in recipe.train or has_usable_photo(data.catalog):
        return
    reasons = describe_unusable(count_photos(data.catalog))
    raise RecipeError(
        f"recipe {recipe.name} reads photos, and no product of {data.catalog.path} has one that can be used: "
        f"{reasons}; put the photos beside the catalogue (docs/data-formats.md), or fit a text tower alone, such as "
        "minilm"
    )


def _check_history(recipe: Recipe, data: TrainingData) -> None:
    """Refuse a recipe with a product history where the data has nothing to compute it from."""
    if recipe.history is None or recipe.history.of == "bought" or data.made_from_catalog:
        return  # without a log a history is left out
    if data.shown is None:
        raise RecipeError(
            f"recipe {recipe.name} adds products' history, but the data set does not say what was shown; "
            "prepare one from a search log with this version of Vitrine"
        )
    if not pc.any(pc.is_in(data.shown["product_id"], data.catalog.table["product_id"])).as_py():
        raise RecipeError(
            f"recipe {recipe.name} adds products' history, but the data set has no product that was shown; "
            "prepare one from a search log with impressions"
        )


def _check_alpha(recipe: Recipe, data: TrainingData) -> None:
    """Refuse to choose alpha where there are no held-out queries to choose it on."""
    if isinstance(recipe.query.fusion, AlphaSearch) and not data.validation:
        raise RecipeError(
            f"recipe {recipe.name} chooses alpha on held-out queries, but the data set has none; "
            "prepare one from a longer search log"
        )
