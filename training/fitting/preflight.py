"""Everything that makes a fit impossible and can be known before its first step.

`check_request` needs the request alone and runs before a model is built or a file is written. `check_model` needs
the model that the fit starts from. `training.model.start.starting_model`, which runs between them, refuses sides of
different widths and pretrained towers that cannot be used.
"""

import warnings

import pyarrow.compute as pc

from towers.model import Model
from training.batches.inputs import pair_tables
from training.errors import RecipeError
from training.fitting.request import FitRequest
from training.fitting.run import check_devices
from training.model.start import check_fitted_tower
from training.objective.gradient_cache import has_batch_statistics
from training.recipes.recipe import AlphaSearch, ClipRecipe

_FEWEST_PAIRS = 2  # a batch of one has nothing to tell its product from


def check_request(request: FitRequest) -> None:
    """Refuse a fit whose recipe, data, bundles, devices or output folder do not go together.

    Raises:
        FileExistsError: there is something at `out`.
        FitError: there are fewer GPUs than the fit asks for.
        RecipeError: the recipe does not go with the towers, the data or the devices that were given.
    """
    if request.out.exists():
        raise FileExistsError(f"{request.out} exists already; remove it or choose another --out")
    check_devices(request.devices)
    for tower in request.recipe.fitted_towers:
        check_fitted_tower(request.recipe, tower, request.fitted)
    if request.recipe.train:
        _check_pairs(request, len(pair_tables(request.recipe, request.data).pairs))
    _check_share(request)
    _check_history(request)
    _check_alpha(request)


def check_model(request: FitRequest, model: Model) -> None:
    """Refuse to encode a batch in parts where its gradients would not be those of the whole batch.

    Raises:
        RecipeError: a trained tower has BatchNorm, and devices or chunks would divide the batch.
    """
    optimisation, devices = request.recipe.optimisation, request.devices
    if optimisation is None or (devices == 1 and optimisation.chunk_size is None):
        return
    option = f"--devices {devices}" if devices > 1 else f"chunk_size {optimisation.chunk_size}"
    for side in (model.query, model.product):
        for tower, module in side.towers.items():
            if tower in request.recipe.train and has_batch_statistics(module):
                raise RecipeError(
                    f"recipe {request.recipe.name} trains a {tower} tower with BatchNorm, whose vectors depend on the "
                    f"whole batch; it cannot be fitted with {option}"
                )


def _check_pairs(request: FitRequest, pairs: int) -> None:
    """Refuse too few pairs for any batch, and warn where they do not fill one of the recipe's."""
    optimisation, least = request.recipe.optimisation, max(_FEWEST_PAIRS, request.devices)
    assert optimisation is not None  # the recipe's own check
    if pairs < least:
        remedy = (
            "give more titles with photos"
            if isinstance(request.recipe.clip, ClipRecipe)
            else "prepare a data set with a longer --training-months or a lower --threshold"
        )
        raise RecipeError(f"recipe {request.recipe.name} needs {least} pairs or more, and there are {pairs}; {remedy}")
    fitting = optimisation.for_pairs(pairs, request.devices)
    if fitting != optimisation:
        warnings.warn(
            f"recipe {request.recipe.name} has batch_size {optimisation.batch_size}, and there are only {pairs} pairs: "
            f"they are fitted in batches of {fitting.batch_size}, with fewer products to tell apart in each",
            stacklevel=3,
        )


def _check_share(request: FitRequest) -> None:
    """Refuse a batch that the devices cannot share evenly."""
    optimisation, devices = request.recipe.optimisation, request.devices
    if optimisation and optimisation.batch_size % devices:
        raise RecipeError(
            f"recipe {request.recipe.name} has batch_size {optimisation.batch_size}, which {devices} devices cannot "
            f"share evenly; make it a multiple of {devices}"
        )


def _check_history(request: FitRequest) -> None:
    """Refuse a recipe with a product history where the data has nothing to compute it from."""
    if request.recipe.history is None:
        return
    if request.data.shown is None:
        raise RecipeError(
            f"recipe {request.recipe.name} adds products' history, but the data set does not say what was shown; "
            "prepare one from a search log with this version of Vitrine"
        )
    if not pc.any(pc.is_in(request.data.shown["product_id"], request.data.catalog.table["product_id"])).as_py():
        raise RecipeError(
            f"recipe {request.recipe.name} adds products' history, but the data set has no product that was shown; "
            "prepare one from a search log with impressions"
        )


def _check_alpha(request: FitRequest) -> None:
    """Refuse to choose alpha where there are no held-out queries to choose it on."""
    if isinstance(request.recipe.query.fusion, AlphaSearch) and not request.data.validation:
        raise RecipeError(
            f"recipe {request.recipe.name} chooses alpha on held-out queries, but the data set has none; "
            "prepare one from a longer search log"
        )
