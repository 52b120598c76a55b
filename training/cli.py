"""The command line of `python -m training`."""

import datetime
from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm

from artifacts.cli import friendly_errors
from artifacts.dataset import Dataset, PurchaseInterest
from artifacts.table1 import table1
from towers.errors import TowerError
from towers.photos import USABLE
from training.annotator.cli import annotator
from training.errors import TrainingError
from training.esci.choices import Locale, Version
from training.experiments.cli import curve, experiments, subset
from training.fitting.cli import add_encoder, clip, fit_recipe
from training.generations.cli import generation_log, generations
from training.options import Out, Seed

app = typer.Typer(help="Make data sets from search logs or catalogues, and fit models to them.", no_args_is_help=True)

# The towers' errors name what a recipe or an option asked for; the sample shop refuses sizes with ValueError.
_friendly = friendly_errors(TrainingError, TowerError, ValueError)


@app.command("sample-shop")
@_friendly
def sample_shop(
    out: Annotated[Path, typer.Option(help="Folder of the shop to write.")],
    products: Annotated[int, typer.Option(help="Number of products.")] = 3000,
    seed: Seed = 0,
) -> None:
    """Generate a sample shop: catalogue, drawn photos, thirteen months of searches, and judgments."""
    from training.sample_shop import generate_sample_shop

    with tqdm(total=products, desc="products", unit="product", disable=None) as bar:

        def advance(count: int) -> None:
            bar.update(count)

        summary = generate_sample_shop(out, products, seed, advance)
    print(f"{out}: {summary}")


@app.command()
@_friendly
def prepare(
    shop: Annotated[
        Path, typer.Option(help="Folder with catalog.parquet and, if the shop has a log, interactions.parquet.")
    ],
    out: Out,
    interactions: Annotated[
        str | None,
        typer.Option(
            help="The search log: a Parquet file, a folder of them, or with --connection the name of a table."
        ),
    ] = None,
    connection: Annotated[
        str | None,
        typer.Option(help="Database of the table: a URL that Ibis takes, such as bigquery://PROJECT/DATASET."),
    ] = None,
    evaluation_start: Annotated[
        datetime.datetime | None,
        typer.Option(help="First moment of the evaluation window; by default the log's last month."),
    ] = None,
    evaluation_end: Annotated[
        datetime.datetime | None,
        typer.Option(help="End of the evaluation window, not included; by default after the last purchase."),
    ] = None,
    training_start: Annotated[
        datetime.datetime | None, typer.Option(help="First moment of the training window.")
    ] = None,
    training_months: Annotated[
        int | None,
        typer.Option(min=1, help="Length of the training window in months, in place of its start; 12 by default."),
    ] = None,
    weight: Annotated[
        list[str] | None,
        typer.Option(
            help="EVENT=NUMBER, what an event adds to the sum of its query and product; purchase=1 by default."
        ),
    ] = None,
    threshold: Annotated[
        float, typer.Option(help="Sum of weights from which a query and a product are a training pair.")
    ] = 1.0,
    memory: Annotated[
        float, typer.Option(min=0.1, help="GB of memory that DuckDB may use before it writes to disk.")
    ] = 2.0,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of DuckDB; by default one for each core.")] = None,
    seed: Seed = 0,
) -> None:
    """Make a data set from a search log or, where the shop has none, from its catalogue alone.

    From a log: pairs by time window, held-out queries, seen negatives. Without interactions.parquet, queries are made
    from the words of products and held out by product; options that are about a log ask for one.
    """
    from training.logs.interest import interest_of
    from training.logs.log_source import Resources, log_of
    from training.logs.prepare import PrepareOptions
    from training.logs.prepare import prepare as prepare_dataset
    from training.logs.windows import WindowChoice

    windows = WindowChoice(evaluation_start, evaluation_end, training_start, training_months)
    interest = interest_of(weight or [], threshold)
    about_a_log = interactions or connection or windows != WindowChoice() or interest != PurchaseInterest()
    if not about_a_log and not (shop / "interactions.parquet").exists():
        _prepare_without_log(shop, out, seed)
        return
    judgments = shop / "judgments.parquet"
    options = PrepareOptions(windows, interest, seed, Resources(memory, threads))
    dataset = prepare_dataset(
        shop / "catalog.parquet",
        log_of(shop, interactions, connection),
        judgments if judgments.is_file() else None,
        out,
        options,
    )
    print(describe_dataset(dataset))


def _prepare_without_log(shop: Path, out: Path, seed: int) -> None:
    """Make a data set from a catalogue alone, and say what it lacks for that."""
    from training.batches.usable_photos import count_photos, describe_unusable
    from training.catalog_alone.prepare import prepare_without_log

    dataset = prepare_without_log(shop / "catalog.parquet", out, seed)
    photos = count_photos(dataset.catalog_texts())
    unusable = describe_unusable(photos)
    print(
        f"{shop} has no interactions.parquet: the data set is made from the catalogue alone. Popularity, products' "
        "history, what was shown, and an evaluation month come with a log and are left out.\n"
        f"products with a photo that can be used: {photos[USABLE]:,} of {photos.total():,}"
        f"{f'; the others: {unusable}' if unusable else ''}"
    )
    print(describe_dataset(dataset))


@app.command("import-esci")
@_friendly
def import_shopping_queries(
    esci: Annotated[Path, typer.Option(help="Folder with ESCI's two Parquet files.")],
    out: Out,
    locale: Annotated[
        list[Locale] | None, typer.Option(help="Shop whose queries are read; may be repeated; us by default.")
    ] = None,
    version: Annotated[Version, typer.Option(help="ESCI's set of judgments.")] = Version.SMALL,
    sqid: Annotated[Path | None, typer.Option(help="SQID's folder `sqid`, with URLs of photos.")] = None,
    images: Annotated[Path | None, typer.Option(help="Folder with photos named PRODUCT_ID.jpg.")] = None,
    descriptions: Annotated[bool, typer.Option(help="Keep descriptions and bullet points.")] = False,
    seed: Seed = 0,
) -> None:
    """Import the public Shopping Queries data (ESCI, with SQID's photos) as catalogue, judgments and data set."""
    from training.esci.importing import EsciRequest, describe_import, import_esci

    locales = tuple(dict.fromkeys(locale or [Locale.US]))
    record, dataset = import_esci(EsciRequest(esci, out, locales, version, sqid, images, descriptions, seed))
    print(f"{describe_import(record)}\n{describe_dataset(dataset)}")


app.command()(_friendly(clip))
app.command("fit")(_friendly(fit_recipe))
app.command("add-photo-encoder")(_friendly(add_encoder))


@app.command()
@_friendly
def recipes() -> None:
    """List the recipes."""
    from training.recipes.files import RECIPE_FOLDER, recipe_names

    for name in recipe_names():
        first_line = (RECIPE_FOLDER / f"{name}.yaml").read_text(encoding="utf-8").splitlines()[0]
        print(f"{name:14} {first_line.removeprefix('# ')}")


app.command()(_friendly(annotator))
app.command()(_friendly(experiments))
app.command()(_friendly(generations))
app.command("generation-log")(_friendly(generation_log))
app.command()(_friendly(subset))
app.command()(_friendly(curve))


def describe_dataset(dataset: Dataset) -> str:
    """Return a data set's counts as in the paper's Table 1, with its windows and fingerprint."""
    return f"{table1(dataset.card)}\n\n{dataset.path}, fingerprint {dataset.fingerprint[:12]}"
