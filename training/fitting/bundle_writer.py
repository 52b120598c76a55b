"""A fitted model as a bundle on disk."""

import datetime
import shutil

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
from artifacts.history import write_history
from artifacts.popularity import write_priors
from towers.export import export_query_side
from towers.storage import save_side
from training.after_fit.int8_choice import choose_encoder
from training.after_fit.photo_encoder import write_photo_encoder
from training.batches.captions import caption_kind
from training.fitting.curves import CurveFiles, write_last_point
from training.fitting.fitted_model import FittedModel
from training.fitting.request import FitRequest, software_versions
from training.fitting.validation import VALIDATION_RECALL

EXPORT_SAMPLE = 64  # queries or titles on which the exported query side is compared with torch


def write_bundle(request: FitRequest, fitted: FittedModel) -> ModelBundle:
    """Write a fitted model: both sides, the exported encoders, the recipe and data that it came from, and its curves.

    The query side is exported in float32, or in int8 where that finds the same products and is faster
    (training/after_fit/int8_choice.py).
    """
    data = request.data
    held_out, model = data.held_out_queries(), fitted.model
    with new_folder(request.out) as folder:
        save_side(model.query, folder / QUERY_SIDE, fitted.tokenizers)
        export_query_side(model.query, folder / QUERY_SIDE, (held_out or data.catalog.titles)[:EXPORT_SAMPLE])
        choice = choose_encoder(
            folder / QUERY_SIDE,
            model.query.spec,
            held_out,
            data.training_queries(),
            lambda: fitted.product.products(data.products),
        )
        save_side(model.product, folder / PRODUCT_SIDE, fitted.tokenizers)
        if fitted.history:
            write_history(folder / PRODUCT_SIDE, fitted.history)
        if fitted.priors:
            write_priors(folder / PRODUCT_SIDE, fitted.priors)
        write_photo_encoder(model, folder)
        if fitted.curves:
            shutil.copytree(fitted.curves.folder, folder / CURVES_FOLDER)
            recalls = {name: value for name, value in fitted.metrics.items() if name == VALIDATION_RECALL}
            write_last_point(CurveFiles(folder / CURVES_FOLDER, fitted.curves.steps), recalls)
        finish_bundle(folder, _origin(request, fitted), held_out, choice, fitted.prior, fitted.history_choice)
    return open_bundle(request.out)


def _origin(request: FitRequest, fitted: FittedModel) -> ModelOrigin:
    """Return the recipe, data, seed and software that a fitted model came from."""
    has_clip = any("clip" in side.towers for side in (fitted.model.query, fitted.model.product))
    return ModelOrigin(
        name=request.recipe.name,
        recipe=request.recipe.model_dump(mode="json"),
        dataset_fingerprint=request.data.fingerprint,
        seed=request.seed,
        metrics=dict(fitted.metrics),
        software=software_versions(),
        clip_captions=caption_kind(request.recipe, request.data.bought, request.fitted.get("clip"))
        if has_clip
        else None,
        created_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )
