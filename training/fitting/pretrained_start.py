"""What a fit over a text tower that there was before starts from: text alone, with nothing trained.

For a recipe that loads a pretrained encoder it is the encoder with all of its layers, as it was pretrained. For one
that takes the tower from a bundle, to train it on or to learn what the photo adds, it is that tower without a photo.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from artifacts.bundle import ModelBundle
from artifacts.side import MlpFusion
from artifacts.tower_specs import FieldNames, PretrainedBertTowerSpec, TowerName
from training.batches.usable_photos import count_photos, describe_unusable, has_usable_photo
from training.fitting.data_checks import FEWEST_PAIRS
from training.fitting.request import FitRequest
from training.model.start import StartingModel, starting_model
from training.recipes.recipe import Recipe, SideRecipe
from training.recipes.towers import PretrainedBertRecipe

_TEXT_ALONE = SideRecipe(towers=("bibert",))


@dataclass(frozen=True)
class PretrainedStart:
    """The start of a fit.

    Attributes:
        recipe: text alone, with nothing trained.
        fitted: the bundle of the text tower, if it is taken from one.
        words: what it is, for messages.
    """

    recipe: Recipe
    fitted: Mapping[TowerName, ModelBundle]
    words: str

    def model(self, fields: FieldNames) -> StartingModel:
        """Return the start as a model in evaluation mode.

        Args:
            fields: columns that it reads of products after their titles, where it is taken from no bundle.
        """
        start = starting_model(self.recipe, [], self.fitted, fields)
        start.model.eval()
        return start


def pretrained_start(recipe: Recipe, fitted: Mapping[TowerName, ModelBundle]) -> PretrainedStart | None:
    """Return what a recipe's fit starts from; None where it trains nothing or has no such start.

    A residual fusion begins at its text tower, and a text tower may be trained on from a bundle; both have a start over
    a tower from scratch too. A learned fusion (mlp) has one over a pretrained text tower alone, and recipes whose
    queries pass through another tower have none.

    Args:
        recipe: what is fitted.
        fitted: the bundle of each tower that it takes from an earlier fit.
    """
    trained = {"bibert", "fusion"} & {*recipe.train}
    if not trained or recipe.query.towers != ("bibert",) or "bibert" not in recipe.product.towers:
        return None
    changes: dict[str, object] = {"query": _TEXT_ALONE, "product": _TEXT_ALONE, "train": ()}
    changes |= dict.fromkeys(("clip", "optimisation", "history", "prior"))
    if isinstance(recipe.bibert, PretrainedBertRecipe):
        whole = recipe.bibert.model_copy(update={"layers": "all", "lora": None})
        alone = recipe.model_copy(update={**changes, "bibert": whole})
        return PretrainedStart(alone, {}, "all layers as they were pretrained")
    bundle = fitted.get("bibert") if recipe.bibert is None else None
    if bundle is None:
        return None
    begins_there = not isinstance(recipe.product.fusion, MlpFusion)
    if not begins_there and not any(isinstance(tower, PretrainedBertTowerSpec) for tower in bundle.query.towers):
        return None
    words = f"the text tower of {bundle.path.name}{', without a photo' if 'clip' in recipe.product.towers else ''}"
    return PretrainedStart(recipe.model_copy(update=changes), {"bibert": bundle}, words)


def reason_for_no_training(request: FitRequest) -> str | None:
    """Return in a clause why a fit with a start trains nothing; None where it trains.

    A fit that fuses photos needs some, and any fit needs pairs. Queries made from the catalogue beside a log do not
    count: nothing says whether training on them alone does any good.
    """
    data = request.data
    if data.train is None or len(data.train) < max(FEWEST_PAIRS, request.devices):
        return "the data set has too few pairs to train anything"
    if "clip" in request.recipe.product.towers and not has_usable_photo(data.catalog):
        reasons = describe_unusable(count_photos(data.catalog))
        return f"no product has a photo that can be used ({reasons}), so that the search is by text alone"
    return None


def untrained(request: FitRequest) -> FitRequest | None:
    """Return the request for a fit's start alone where nothing can be trained (`reason_for_no_training`), or None."""
    begun = pretrained_start(request.recipe, request.fitted)
    if begun is None or reason_for_no_training(request) is None:
        return None
    recipe = begun.recipe.model_copy(update={"history": request.recipe.history, "prior": request.recipe.prior})
    return replace(request, recipe=recipe, fitted=begun.fitted)
