"""Everything that makes a fit impossible and can be known before its first step.

`check_request` needs the request alone and runs before a model is built or a file is written; what a recipe needs of a
data set is in data_checks.py. `check_model` needs the model that the fit starts from.
`training.model.start.starting_model`, which runs between them, refuses sides of different widths and pretrained towers
that cannot be used.
"""

import warnings

from artifacts.product_text import check_fields
from towers.model import Model
from training.batches.pair_tables import count_pairs
from training.errors import RecipeError
from training.fitting.data_checks import check_data
from training.fitting.pretrained_start import pretrained_start, untrained
from training.fitting.request import FitRequest
from training.fitting.run import check_devices
from training.model.start import check_fitted_tower
from training.objective.gradient_cache import has_batch_statistics


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
    _check_adapters(request)
    begun = pretrained_start(request.recipe, request.fitted)
    needed = untrained(request) or request
    for tower in needed.recipe.fitted_towers:
        check_fitted_tower(request.recipe, tower, request.fitted)
    check_data(request.recipe, request.data, request.devices, has_start=begun is not None)
    _check_fields(needed)
    if needed.recipe.train:
        _warn_of_small_batches(request, count_pairs(request.recipe, request.data))
    _check_share(request)


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


def _check_adapters(request: FitRequest) -> None:
    """Refuse several processes for adapters, which torch cannot send to another process."""
    recipe = request.recipe
    if request.devices > 1 and (getattr(recipe.bibert, "lora", None) or getattr(recipe.clip, "lora", None)):
        raise RecipeError(
            f"recipe {recipe.name} trains adapters (lora), which cannot be fitted with --devices {request.devices}; "
            "leave one of them out"
        )


def _check_fields(request: FitRequest) -> None:
    """Warn where a tower of an earlier fit reads fields that the catalogue lacks."""
    catalog = request.data.catalog
    for tower in request.recipe.fitted_towers:
        missing = check_fields(catalog.path, catalog.table.schema, request.fitted[tower].product.fields)
        if missing:
            warnings.warn(missing, stacklevel=4)


def _warn_of_small_batches(request: FitRequest, pairs: int) -> None:
    """Warn where the pairs do not fill one of the recipe's batches."""
    optimisation = request.recipe.optimisation
    assert optimisation is not None  # the recipe's own check
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
