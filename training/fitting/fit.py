"""A recipe and data to a model bundle."""

import datetime
import hashlib
import importlib.metadata
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from tokenizers import Tokenizer

from artifacts.atomic import new_folder
from artifacts.bundle import (
    CURVES_FOLDER,
    PRODUCT_SIDE,
    QUERY_SIDE,
    ModelBundle,
    ModelOrigin,
    finish_bundle,
    open_bundle,
)
from artifacts.history import ProductHistory, history_place, write_history
from artifacts.side import TowerName
from towers.export import export_query_side
from towers.model import Model, Side
from towers.query_encoder import Vectors
from towers.side_encoder import SideEncoder, Tokenizers
from towers.storage import save_side
from towers.tokens import text_tokenizer
from towers.vector_cache import VectorCache
from training.after_fit.history import product_history, with_estimate
from training.after_fit.int8_choice import choose_encoder
from training.after_fit.photo_encoder import write_photo_encoder
from training.batches.inputs import pairs_for, tower_sources
from training.batches.pairs import BatchPlan
from training.batches.training_data import TrainingData
from training.errors import RecipeError
from training.fitting.curves import CurveFiles, write_last_point
from training.fitting.module import RetrievalModule
from training.fitting.run import CURVES, check_devices, run
from training.fitting.validation import choose_alpha, validation_set, with_alpha
from training.model.no_image import set_no_image
from training.model.start import Start, starting_model
from training.objective.gradient_cache import has_batch_statistics
from training.recipes.recipe import AlphaSearch, PretrainedClipRecipe, Recipe

VALIDATION_RECALL = "validation_recall_at_100"
EXPORT_SAMPLE = 64  # queries or titles on which the exported query side is compared with torch


@dataclass(frozen=True)
class FitRequest:
    """What to fit and where to put it.

    Attributes:
        recipe: the composition and how it is trained.
        data: what it is trained on.
        fitted: a bundle for each tower that the recipe does not train from scratch.
        out: the bundle's folder.
        cache: vectors of frozen towers.
        seed: of weights, batches and augmentation.
        steps: how many, in place of what the recipe's epochs give.
        devices: how many GPUs, or processes where there is no GPU, share each batch.
    """

    recipe: Recipe
    data: TrainingData
    fitted: Mapping[TowerName, ModelBundle]
    out: Path
    cache: VectorCache
    seed: int = 0
    steps: int | None = None
    devices: int = 1


def fit(request: FitRequest) -> ModelBundle:
    """Fit a recipe and write its bundle; a fit that was killed goes on from its last checkpoint.

    Raises:
        RecipeError: the recipe does not go with the towers, the data or the devices that were given.
        FitError: the fit diverged, or there are fewer GPUs than it asks for.
        FileExistsError: there is something at `out`.
    """
    if request.out.exists():
        raise FileExistsError(f"{request.out} exists already; remove it or choose another --out")
    check_devices(request.devices)
    _check_shown(request)
    torch.manual_seed(request.seed)
    start = starting_model(request.recipe, _texts(request.data), request.fitted)
    _check_parts(request, start.model)
    start.model.eval()  # frozen towers are encoded as they will be used; the module sets the others to train
    if isinstance(request.recipe.clip, PretrainedClipRecipe):
        set_no_image(start.model.product, request.data.products)
    work = _work_folder(request)
    curves = _train(request, start, work) if request.recipe.train else None
    model = start.model.cpu().eval()
    if "clip" in request.recipe.train:
        set_no_image(model.product, request.data.products)
    start = replace(start, history=_history(request, start))
    bundle = write_bundle(request, start, _validate(request, start), curves)
    shutil.rmtree(work)
    return bundle


def write_bundle(
    request: FitRequest, start: Start, metrics: dict[str, float], curves: CurveFiles | None = None
) -> ModelBundle:
    """Write a fitted model: both sides, the exported encoders, how it came to be and how the fit went.

    The query side is exported in float32, or in int8 where that finds the same and is faster
    (training/after_fit/int8_choice.py).
    """
    held_out = request.data.held_out_queries()
    sample = (held_out or request.data.catalog.titles)[:EXPORT_SAMPLE]
    origin = ModelOrigin(
        name=request.recipe.name,
        recipe=request.recipe.model_dump(mode="json"),
        dataset_fingerprint=request.data.fingerprint,
        seed=request.seed,
        metrics=metrics,
        software=_software(),
        created_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )
    with new_folder(request.out) as folder:
        save_side(start.model.query, folder / QUERY_SIDE, start.tokenizers)
        export_query_side(start.model.query, folder / QUERY_SIDE, sample)
        products = partial(_products, request, start)
        samples = request.data.training_queries()
        choice = choose_encoder(folder / QUERY_SIDE, start.model.query.spec, held_out, samples, products)
        save_side(start.model.product, folder / PRODUCT_SIDE, start.tokenizers)
        if start.history:
            write_history(folder / PRODUCT_SIDE, start.history)
        write_photo_encoder(start.model, folder)
        if curves:
            shutil.copytree(curves.folder, folder / CURVES_FOLDER)
            recalls = {name: value for name, value in metrics.items() if name == VALIDATION_RECALL}
            write_last_point(CurveFiles(folder / CURVES_FOLDER, curves.steps), recalls)
        finish_bundle(folder, origin, held_out, choice)
    return open_bundle(request.out)


def side_tokenizers(side: Side, tokenizers: Mapping[TowerName, Tokenizer]) -> Tokenizers:
    """The tokenizers of a side's text towers, each with its tower's limits."""
    return {tower.name: text_tokenizer(tokenizers[tower.name], tower.text) for tower in side.spec.text_towers}


def _train(request: FitRequest, start: Start, work: Path) -> CurveFiles:
    """Fit the model in place."""
    recipe, optimisation = request.recipe, request.recipe.optimisation
    assert optimisation is not None  # the recipe's own check
    pairs = pairs_for(recipe, request.data)
    steps = request.steps or optimisation.steps(len(pairs))
    plan = BatchPlan(pairs, optimisation.batch_size, steps, optimisation.seen_negatives, request.seed)
    query, product = _encoders(request, start)
    sources = tower_sources(recipe, query, product, pairs.queries, request.data.products, work)
    module = RetrievalModule(start.model, sources, recipe.train, recipe.scratch_parts, optimisation, plan.steps)
    run(module, plan, work, request.seed, request.devices)
    return CurveFiles(work / CURVES, steps)


def _check_parts(request: FitRequest, model: Model) -> None:
    """Refuse what would not give the gradients of the whole batch when it is encoded in parts."""
    name, devices, optimisation = request.recipe.name, request.devices, request.recipe.optimisation
    if optimisation is None:
        return
    if optimisation.batch_size % devices:
        raise RecipeError(
            f"recipe {name} has batch_size {optimisation.batch_size}, which {devices} devices cannot share evenly; "
            f"make it a multiple of {devices}"
        )
    if devices == 1 and optimisation.chunk_size is None:
        return
    option = f"--devices {devices}" if devices > 1 else f"chunk_size {optimisation.chunk_size}"
    for side in (model.query, model.product):
        for tower, module in side.towers.items():
            if tower in request.recipe.train and has_batch_statistics(module):
                raise RecipeError(
                    f"recipe {name} trains a {tower} tower with BatchNorm, whose vectors depend on the whole batch; "
                    f"it cannot be fitted with {option}"
                )


def _check_shown(request: FitRequest) -> None:
    """Refuse, before the fit, a recipe with a history where there is nothing to make it of."""
    if request.recipe.history and request.data.shown is None:
        raise RecipeError(
            f"recipe {request.recipe.name} adds products' history, but the data set does not say what was shown; "
            "prepare one from a search log with this version of Vitrine"
        )


def _history(request: FitRequest, start: Start) -> ProductHistory | None:
    """The products' history in the space of the fitted queries, if the recipe has one."""
    chosen = request.recipe.history
    if chosen is None:
        return None
    assert request.data.shown is not None  # see _check_shown
    query, product = _encoders(request, start)
    products, place = request.data.products, history_place(start.model.product.spec)
    whole = place == slice(0, start.model.product.spec.width)
    encode = query.queries if whole else partial(query.text_vectors, "bibert")
    history = product_history(request.data.shown, encode, chosen.weight, place)
    if not chosen.estimate:
        return history
    vectors = product.products(products) if whole else product.text_vectors("bibert", products.titles)
    return with_estimate(history, vectors, products.product_ids, chosen.estimate)


def _validate(request: FitRequest, start: Start) -> dict[str, float]:
    """Recall on the held-out queries; an alpha-weighted model gets its alpha here."""
    if request.data.validation is None:
        return {}
    held_out = validation_set(request.data.validation, request.data.catalog.rows_by_product_id())
    query, product = _encoders(request, start)
    metrics: dict[str, float] = {}
    fusion = request.recipe.query.fusion
    if isinstance(fusion, AlphaSearch):
        names = request.recipe.query.towers
        by_query = {name: query.text_vectors(name, held_out.queries) for name in names}
        by_product = product.product_tower_vectors(request.data.products)
        choice = choose_alpha(fusion.choices, held_out, by_query, by_product, start.model, _mover(request, start))
        with_alpha(start.model, choice.alpha)
        metrics = {f"recall_at_alpha_{alpha:g}": recall for alpha, recall in choice.recall_by_alpha.items()}
        metrics["alpha"] = choice.alpha
        query, product = _encoders(request, start)
    vectors = query.queries(held_out.queries), product.products(request.data.products)
    return {VALIDATION_RECALL: float(held_out.recalls(*vectors).mean()), **metrics}


def _mover(request: FitRequest, start: Start) -> Callable[[Vectors], Vectors]:
    """What becomes of the catalogue's vectors by their history; the same vectors where there is none."""
    ids = request.data.products.product_ids
    return lambda vectors: start.history.add_to(vectors, ids) if start.history else vectors


def _products(request: FitRequest, start: Start) -> Vectors:
    _, product = _encoders(request, start)
    return product.products(request.data.products)


def _encoders(request: FitRequest, start: Start) -> tuple[SideEncoder, SideEncoder]:
    model: Model = start.model
    return (
        SideEncoder(model.query, side_tokenizers(model.query, start.tokenizers), request.cache),
        SideEncoder(model.product, side_tokenizers(model.product, start.tokenizers), request.cache, start.history),
    )


def _texts(data: TrainingData) -> list[str]:
    """Titles and training queries: what a tower from scratch learns its vocabulary from."""
    queries = sorted(set(data.train["query"].to_pylist())) if data.train else []
    return [*data.catalog.titles, *queries]


def _work_folder(request: FitRequest) -> Path:
    """Where checkpoints lie, named after all that decides the outcome, so that none is taken up wrongly."""
    towers = sorted((name, bundle.fingerprint) for name, bundle in request.fitted.items())
    recipe, run = request.recipe.model_dump_json(), (request.seed, request.steps, request.devices)
    key = f"{recipe}|{request.data.fingerprint}|{towers}|{run}|{_software()}"
    digest = hashlib.sha256(key.encode()).hexdigest()[:16]
    folder = request.out.parent / f".{request.out.name}.fit-{digest}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _software() -> dict[str, str]:
    """Versions of what decides the weights: another tokenizer trainer could give another vocabulary."""
    names = ("vitrine", "torch", "open_clip_torch", "tokenizers", "transformers")
    return {name: importlib.metadata.version(name) for name in names}
