"""The command line `vitrine`: `up`, and every program by its name."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from artifacts.cli import friendly_errors
from vitrine.errors import UpError

INTERRUPTED_STATUS = 130
PROGRAMS = {
    "feeds": "Make a catalogue of a product feed.",
    "training": "Make data sets from search logs or catalogues, and fit models to them.",
    "evaluation": "Measure models by purchases and judgments.",
    "index_builder": "Build, check and publish index versions.",
    "service": "Serve searches.",
}

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Product search by words and photos. `vitrine up FEED` makes a search page of a product feed; the other "
    "commands are the programs that it runs.",
)


@app.command()
@friendly_errors(UpError, OSError)
def up(
    feed: Annotated[
        Path | None, typer.Argument(help="A product feed, or a folder with catalog.parquet.", show_default=False)
    ] = None,
    sample: Annotated[bool, typer.Option("--sample", help="Generate a sample shop in place of a feed.")] = False,
    log: Annotated[
        Path | None, typer.Option(help="The search log: a Parquet file like interactions.parquet, or a folder of them.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for all that is made; by default vitrine-NAME, after the feed.")
    ] = None,
    text: Annotated[
        str | None,
        typer.Option(help="Text encoder to start from: OWNER/NAME on the Hugging Face hub, its folder, or a recipe."),
    ] = None,
    image: Annotated[
        str | None,
        typer.Option(
            help="Pretrained CLIP: ARCHITECTURE:WEIGHTS as open_clip names them, hf-hub:OWNER/NAME, or a folder."
        ),
    ] = None,
    maps: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="FIELD=COLUMN",
            help="Which column of the feed is a field, for example title=name; repeat it.",
        ),
    ] = None,
    mapping: Annotated[
        Path | None,
        typer.Option(help="What is said of the feed, in a file like the shop/mapping.json that an import saves."),
    ] = None,
    photos: Annotated[
        Path | None, typer.Option(help="Folder of photos that are named by the ids of products or by their rows.")
    ] = None,
    no_photos: Annotated[bool, typer.Option("--no-photos", help="Search by texts alone.")] = False,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the search page.")] = 8000,
    products: Annotated[int, typer.Option(help="Number of products of the sample shop.")] = 3000,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Batches of the fits of both encoders, in place of the recipes' epochs.")
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(help="Stop after this step: shop, data, photo-encoder, text-encoder, model, index, self-test."),
    ] = None,
    browser: Annotated[bool, typer.Option(help="Whether to open the page in a browser.")] = True,
) -> None:
    """Make a search page of a product feed: import, train, index, serve, and test it on its own products.

    A second call does only what has changed. Ctrl-C stops; the same call goes on from there.
    """
    from vitrine.steps.request import UpRequest, Work
    from vitrine.up.command import UNTIL, Serving
    from vitrine.up.command import up as run_up

    if (feed is None) != sample:
        raise UpError("give a feed or --sample, one of them")
    if feed and not feed.exists():
        raise UpError(f"there is no {feed}")
    for path in (log, mapping, photos):
        if path and not path.exists():
            raise UpError(f"there is no {path}")
    if until not in (None, *UNTIL):
        raise UpError(f"--until {until} is no step; there are {', '.join(UNTIL)}")
    work = Work((out or Path(f"vitrine-{feed.resolve().stem if feed else 'sample'}")).resolve())
    request = UpRequest(
        work=work,
        feed=feed.resolve() if feed else None,
        sample_products=products,
        log=log.resolve() if log else None,
        text=text,
        image=image,
        photos=not no_photos,
        photo_folder=photos.resolve() if photos else None,
        maps=tuple(maps or ()),
        mapping=mapping.resolve() if mapping else None,
        training_steps=steps,
    )
    if (sample or request.is_shop) and (maps or mapping or photos):
        raise UpError("--map, --mapping and --photos are for a feed, which is imported; here is a catalogue already")
    try:
        run_up(request, Serving(port, until, browser))
    except KeyboardInterrupt:
        typer.echo("stopped; the same command goes on from here", err=True)
        raise typer.Exit(INTERRUPTED_STATUS) from None


def _add_program(name: str, help_text: str) -> None:
    """Add a command that becomes a program, with all arguments that follow."""

    @app.command(
        name.replace("_", "-"),
        help=help_text,
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
    )
    def run(context: typer.Context) -> None:
        from vitrine.running.programs import program_command, program_environment

        os.execve(sys.executable, program_command((name, *context.args)), program_environment())  # noqa: S606  # not through a shell


for _name, _help in PROGRAMS.items():
    _add_program(_name, _help)
