"""Fitting a recipe: preflight, training, product history, validation, popularity, and the bundle."""

import shutil
from pathlib import Path

import torch

from artifacts.bundle import ModelBundle
from towers.side_encoder import SideEncoder
from training.batches.fields import chosen_fields
from training.batches.inputs import judged_source, pairs_for, tower_sources
from training.batches.pairs import BatchPlan
from training.batches.shortened_titles import learns_photos_without_log, shortened_products
from training.fitting.bundle_writer import write_bundle
from training.fitting.curves import CurveFiles
from training.fitting.fitted_model import FittedModel
from training.fitting.history import add_bought_history, add_history
from training.fitting.module import RetrievalModule
from training.fitting.popularity import add_prior
from training.fitting.preflight import check_model, check_request
from training.fitting.pretrained_start import pretrained_start, reason_for_no_training, untrained
from training.fitting.read_texts import report_read_texts
from training.fitting.request import FitRequest
from training.fitting.run import CURVES, run
from training.fitting.start_check import START_KEPT, keep_the_better
from training.fitting.validation import validate
from training.model.lora import merge_adapters
from training.model.no_image import set_no_image
from training.model.start import StartingModel, starting_model
from training.recipes.recipe import AlphaSearch
from training.recipes.towers import PretrainedClipRecipe


def fit(request: FitRequest) -> ModelBundle:
    """Fit a recipe and write its bundle; a fit that was killed resumes from its last checkpoint.

    A fit that has a start (training/fitting/pretrained_start.py) ends with it where it lost to it, or where there is
    nothing to train on.

    Whatever makes the fit impossible is refused before its first step (training/fitting/preflight.py).

    Raises:
        RecipeError: the recipe does not go with the towers, the data or the devices that were given.
        TowerError: a pretrained tower cannot be used, or the query side is too large to be exported.
        FitError: the fit diverged, or there are fewer GPUs than it asks for.
        FileExistsError: there is something at `out`.
    """
    check_request(request)
    torch.manual_seed(request.seed)
    fields = chosen_fields(request.recipe, request.data.catalog)
    if fields:
        print(f"bibert reads of products: title, {', '.join(fields)}")
    asked = untrained(request) or request
    if asked is not request:
        print(f"{reason_for_no_training(request)}: the bundle holds the start of the fit")
    start = starting_model(asked.recipe, request.data.vocabulary_texts(fields), asked.fitted, fields)
    check_model(asked, start.model)
    work = request.work_folder()
    work.mkdir(parents=True, exist_ok=True)
    fitted = _fit_model(asked, start, work)
    if asked is not request:
        fitted = fitted.with_metrics({**fitted.metrics, START_KEPT: 1.0})
    bundle = write_bundle(request, fitted)
    shutil.rmtree(work)
    return bundle


def _fit_model(request: FitRequest, start: StartingModel, work: Path) -> FittedModel:
    """Fit a model in place, add what is computed after the fit, and measure it on the held-out queries."""
    recipe, data, model = request.recipe, request.data, start.model
    model.eval()  # frozen towers are encoded as they will be used; the module sets the others to training mode
    if isinstance(recipe.clip, PretrainedClipRecipe):
        set_no_image(model.product, data.products)
    query, product = start.encoders(request.cache)
    read = report_read_texts(recipe, query, product, data)
    curves = _train(request, query, product, start, work) if recipe.train else None
    model.cpu().eval()
    if "clip" in recipe.train:
        set_no_image(model.product, data.products)
    fitted = FittedModel(model, start.tokenizers, query, product, curves=curves)
    if "bibert" in recipe.query.towers and not isinstance(recipe.query.fusion, AlphaSearch):
        fitted = keep_the_better(fitted, pretrained_start(recipe, request.fitted), data, request.seed)
    if recipe.history and recipe.history.of == "shown":
        fitted = add_history(fitted, recipe, data)
    elif recipe.history:
        fitted = add_bought_history(fitted, recipe, data)
    fitted = fitted.with_metrics({**fitted.metrics, **validate(fitted, recipe.query.fusion, data), **read})
    return add_prior(fitted, recipe, data) if recipe.prior else fitted


def _train(
    request: FitRequest, query: SideEncoder, product: SideEncoder, start: StartingModel, work: Path
) -> CurveFiles:
    """Train the parts of the model that the recipe names, in place."""
    recipe, optimisation = request.recipe, request.recipe.optimisation
    assert optimisation is not None  # the recipe's own check
    read = product.tokenizers.get("bibert")
    pairs = pairs_for(recipe, request.data, read.text.fields if read else (), request.seed)
    optimisation = optimisation.for_pairs(len(pairs), request.devices)
    steps = request.steps or optimisation.steps(len(pairs))
    queries = list(pairs.queries)
    judged = judged_source(recipe, request.data, queries)
    plan = BatchPlan(pairs, optimisation.batch_size, steps, optimisation.seen_negatives, request.seed, judged)
    shortened = (
        shortened_products(request.data, request.seed) if learns_photos_without_log(recipe, request.data) else []
    )
    sources = tower_sources(recipe, query, product, queries, request.data.products, work, shortened)
    module = RetrievalModule(start.model, sources, recipe.train, recipe.scratch_parts, optimisation, plan.steps)
    run(module, plan, work, request.seed, request.devices)
    merge_adapters(start.model)
    return CurveFiles(work / CURVES, steps)
