"""The commands that make bundles: `clip`, `fit` and `add-photo-encoder`."""

from pathlib import Path
from typing import Annotated

import typer

from artifacts.bundle import ModelBundle, open_bundle
from artifacts.dataset import open_dataset
from artifacts.tower_specs import TowerName
from training.options import Data, Devices, Out, Seed, Steps

TrainingLabels = Annotated[
    Path | None,
    typer.Option(
        help="Labels of training queries, for recipes that learn from them; by default judgments_train.parquet beside "
        "the catalogue, if there is one."
    ),
]


def clip(
    out: Out,
    data: Annotated[Path | None, typer.Option(help="A data set made by `prepare`.")] = None,
    catalog: Annotated[
        Path | None, typer.Option(help="catalog.parquet, in place of --data where there is no search log.")
    ] = None,
    architecture: Annotated[str | None, typer.Option(help="open_clip's name of a pretrained architecture.")] = None,
    pretrained: Annotated[
        str | None,
        typer.Option(
            help="Tag or checkpoint file of --architecture; without it, a folder or hf-hub:OWNER/NAME. "
            "Without this option the recipe is fitted."
        ),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            help="Recipe of the CLIP; by default a small one is trained: clip-small or, for a data set "
            "without a log, clip-small-titles."
        ),
    ] = None,
    seed: Seed = 0,
    steps: Steps = None,
    devices: Devices = 1,
) -> None:
    """Make CLIP towers: train a small CLIP on the catalogue's photos, or take a pretrained one."""
    from towers.vector_cache import VectorCache
    from training.batches.training_data import data_from_catalog, data_from_dataset
    from training.fitting.fit import fit
    from training.fitting.request import FitRequest
    from training.recipes.recipe import load_recipe
    from training.recipes.towers import PretrainedClipRecipe

    if (data is None) == (catalog is None):
        raise typer.BadParameter("give --data or --catalog, one of them")
    if architecture and not pretrained:
        raise typer.BadParameter("give --pretrained with --architecture")
    inputs = data_from_dataset(data) if data else data_from_catalog(catalog or Path())
    cache = VectorCache((data or out.parent) / "vectors")
    chosen = load_recipe(recipe or ("clip-small-titles" if inputs.made_from_catalog else "clip-small"))
    if pretrained:
        weights = PretrainedClipRecipe(pretrained=pretrained, architecture=architecture)
        chosen = load_recipe("clip").model_copy(update={"clip": weights})
    report_bundle(fit(FitRequest(chosen, inputs, {}, out, cache, seed, steps, devices)))


def fit_recipe(
    recipe: Annotated[str, typer.Argument(help="Name of a recipe, or path of a .yaml file.")],
    data: Data,
    out: Out,
    bibert: Annotated[
        Path | None,
        typer.Option(
            help="Bundle with a fitted text tower: what the recipe takes, or the start of the one that it trains."
        ),
    ] = None,
    clip: Annotated[Path | None, typer.Option(help="Bundle with CLIP towers.")] = None,
    judgments: TrainingLabels = None,
    seed: Seed = 0,
    steps: Steps = None,
    devices: Devices = 1,
) -> None:
    """Fit a recipe: one model of the paper's Table 2."""
    from towers.vector_cache import VectorCache
    from training.batches.training_data import data_from_dataset
    from training.fitting.fit import fit
    from training.fitting.request import FitRequest
    from training.recipes.recipe import load_recipe

    loaded = load_recipe(recipe)
    given: dict[TowerName, Path | None] = {"bibert": bibert, "clip": clip}
    for name in (name for name, path in given.items() if path):
        loaded = loaded.over_fitted(name)
    fitted = {name: open_bundle(path) for name, path in given.items() if path and name in loaded.fitted_towers}
    cache = VectorCache(data / "vectors")
    labels = judgments or open_dataset(data).training_judgments_file if loaded.learns_from_judgments else None
    report_bundle(fit(FitRequest(loaded, data_from_dataset(data, labels), fitted, out, cache, seed, steps, devices)))


def add_encoder(
    bundle: Annotated[Path, typer.Argument(help="A bundle without a photo encoder.")],
    out: Out,
) -> None:
    """Copy a bundle and add a photo encoder to the copy, so that photos can be queries."""
    from training.after_fit.photo_encoder import add_photo_encoder

    report_bundle(add_photo_encoder(open_bundle(bundle), out))


def report_bundle(bundle: ModelBundle) -> None:
    """Print what a bundle is, its metrics, and which of the parts added after the fit it kept."""
    metrics = "".join(f", {name} {value:.4g}" for name, value in bundle.card.origin.metrics.items())
    print(
        f"{bundle.path}: {bundle.card.origin.name}, width {bundle.card.width}, "
        f"fingerprint {bundle.fingerprint[:12]}{metrics}"
    )
    if history := bundle.card.history:
        print(f"products' history is {'' if history.kept else 'not '}part of the vectors: {history.reason}")
    if prior := bundle.card.prior:
        print(f"popularity is {'' if prior.kept else 'not '}part of the vectors: {prior.reason}")
    if choice := bundle.card.query_encoder:
        print(f"query encoder for CPUs: {choice.precision}, {choice.reason}")
