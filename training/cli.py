"""The command line of training."""

import datetime
from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm

from artifacts.bundle import ModelBundle, open_bundle
from artifacts.cli import friendly_errors
from artifacts.dataset import Dataset
from artifacts.side import TowerName
from towers.errors import TowerError
from training.errors import TrainingError

app = typer.Typer(help="Search logs, catalogue and photos to fitted models.", no_args_is_help=True)

# The towers' errors name what a recipe or an option asked for; the sample shop refuses sizes with ValueError.
_friendly = friendly_errors(TrainingError, TowerError, ValueError)

Out = Annotated[Path, typer.Option(help="Folder to write; it must not exist.")]
Data = Annotated[Path, typer.Option(help="A data set made by `prepare`.")]
Seed = Annotated[int, typer.Option(help="Of everything random.")]
Steps = Annotated[int | None, typer.Option(min=1, help="Batches to fit, in place of the recipe's epochs.")]


@app.command("sample-shop")
@_friendly
def sample_shop(
    out: Annotated[Path, typer.Option(help="Folder of the shop.")],
    products: Annotated[int, typer.Option(help="How many products to draw.")] = 3000,
    seed: Seed = 0,
) -> None:
    """Draw a shop: catalogue, photos, thirteen months of searches, and judgments."""
    from training.sample_shop import generate_sample_shop

    with tqdm(total=products, desc="products", unit="product", disable=None) as bar:

        def advance(count: int) -> None:
            bar.update(count)

        summary = generate_sample_shop(out, products, seed, advance)
    print(f"{out}: {summary}")


@app.command()
@_friendly
def prepare(
    shop: Annotated[Path, typer.Option(help="Folder with catalog.parquet and interactions.parquet.")],
    out: Out,
    evaluation_start: Annotated[
        datetime.datetime | None,
        typer.Option(help="First moment of the evaluation window; by default the log's last month."),
    ] = None,
    training_months: Annotated[int, typer.Option(min=1, help="Months of training before it.")] = 12,
    seed: Seed = 0,
) -> None:
    """Search log to data set: pairs by time window, held-out queries, seen negatives."""
    from training.prepare import prepare as prepare_dataset

    judgments = shop / "judgments.parquet"
    dataset = prepare_dataset(
        shop / "catalog.parquet",
        shop / "interactions.parquet",
        judgments if judgments.is_file() else None,
        out,
        evaluation_start=evaluation_start,
        training_months=training_months,
        seed=seed,
    )
    print(describe_dataset(dataset))


@app.command()
@_friendly
def clip(
    out: Out,
    data: Annotated[Path | None, typer.Option(help="A data set made by `prepare`.")] = None,
    catalog: Annotated[Path | None, typer.Option(help="catalog.parquet, where there is no search log.")] = None,
    architecture: Annotated[str, typer.Option(help="open_clip's name of a pretrained architecture.")] = "vitrine-small",
    pretrained: Annotated[
        str | None, typer.Option(help="Tag or checkpoint file; without it a small CLIP is trained.")
    ] = None,
    recipe: Annotated[str, typer.Option(help="How the small CLIP is trained.")] = "clip-small",
    seed: Seed = 0,
    steps: Steps = None,
) -> None:
    """The CLIP towers: a small one trained on the catalogue's photos, or a pretrained one."""
    from towers.vector_cache import VectorCache
    from training.data import data_from_catalog, data_from_dataset
    from training.fit import FitRequest, fit, write_bundle
    from training.pretrained import pretrained_start
    from training.recipe import load_recipe

    if (data is None) == (catalog is None):
        raise typer.BadParameter("give --data or --catalog, one of them")
    inputs = data_from_dataset(data) if data else data_from_catalog(catalog or Path())
    cache = VectorCache((data or out.parent) / "vectors")
    if pretrained is None:
        _report(fit(FitRequest(load_recipe(recipe), inputs, {}, out, cache, seed, steps)))
        return
    request = FitRequest(load_recipe("clip"), inputs, {}, out, cache, seed)
    _report(write_bundle(request, pretrained_start(architecture, pretrained, inputs.products), {}))


@app.command("fit")
@_friendly
def fit_recipe(
    recipe: Annotated[str, typer.Argument(help="Name of a recipe, or a .yaml file.")],
    data: Data,
    out: Out,
    bibert: Annotated[Path | None, typer.Option(help="Bundle with a fitted BiBERT.")] = None,
    clip: Annotated[Path | None, typer.Option(help="Bundle with CLIP towers.")] = None,
    seed: Seed = 0,
    steps: Steps = None,
) -> None:
    """Fit a recipe: one model of the paper's Table 2."""
    from towers.vector_cache import VectorCache
    from training.data import data_from_dataset
    from training.fit import FitRequest, fit
    from training.recipe import load_recipe

    loaded = load_recipe(recipe)
    given: dict[TowerName, Path | None] = {"bibert": bibert, "clip": clip}
    fitted = {name: open_bundle(path) for name, path in given.items() if path and name in loaded.fitted_towers}
    cache = VectorCache(data / "vectors")
    _report(fit(FitRequest(loaded, data_from_dataset(data), fitted, out, cache, seed, steps)))


@app.command()
@_friendly
def recipes() -> None:
    """List the recipes."""
    from training.recipe import RECIPE_FOLDER, recipe_names

    for name in recipe_names():
        first_line = (RECIPE_FOLDER / f"{name}.yaml").read_text(encoding="utf-8").splitlines()[0]
        print(f"{name:14} {first_line.removeprefix('# ')}")


def describe_dataset(dataset: Dataset) -> str:
    """A data set as the paper's Table 1, with its windows."""
    card = dataset.card
    lines = [f"{'':12}{'pairs':>10}{'queries':>10}{'products':>10}"]
    for name, split in (
        ("training", card.train),
        ("validation", card.validation),
        ("evaluation", card.evaluation),
    ):
        lines.append(f"{name:12}{split.pairs:>10,}{split.queries:>10,}{split.products:>10,}")
    training, evaluation = card.training_window, card.evaluation_window
    lines.append(
        f"training from {training.start:%Y-%m-%d} to {training.end:%Y-%m-%d}, "
        f"evaluation after it to {evaluation.end:%Y-%m-%d}"
    )
    lines.append(
        f"{card.evaluation_queries_unseen:,} of {card.evaluation.queries:,} evaluation queries are in no training pair"
    )
    lines.append(f"{dataset.path}, fingerprint {dataset.fingerprint[:12]}")
    return "\n".join(lines)


def _report(bundle: ModelBundle) -> None:
    metrics = "".join(f", {name} {value:.4g}" for name, value in bundle.card.origin.metrics.items())
    print(
        f"{bundle.path}: {bundle.card.origin.name}, width {bundle.card.width}, "
        f"fingerprint {bundle.fingerprint[:12]}{metrics}"
    )
