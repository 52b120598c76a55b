"""The command line of the index builder: a version from a catalogue, or from another version and changes."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from artifacts.store import Store
from index_builder.cli import store_commands
from index_builder.cli.friendly import friendly
from index_builder.cli.options import BuildOptions, NewColumns, NewModel, StoreFolder, UpdateOptions, expand_options
from index_builder.cli.output import describe_build
from index_builder.versions.gate_limits import GateLimits

if TYPE_CHECKING:
    from index_builder.new_version import BuiltVersion

app = typer.Typer(
    help="Build an index version from a catalogue and a model, check it and publish it.", no_args_is_help=True
)


@app.command()
@friendly
@expand_options
def build(
    bundle: Annotated[Path, typer.Option(help="Model bundle made by `training fit`.")],
    catalog: Annotated[
        Path, typer.Option(help="catalog.parquet with its photos beside it, or a folder of such files.")
    ],
    store: StoreFolder,
    options: BuildOptions,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try all photos again that could not be used.")
    ] = False,
    refetch_photos: Annotated[
        bool, typer.Option("--refetch-photos", help="Download photos again, since their URLs may show others now.")
    ] = False,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="Keep what the service needs to explain scores of a learned fusion (mlp) of title and photo. The "
            "first such build encodes all products again.",
        ),
    ] = False,
    history: Annotated[
        bool,
        typer.Option(
            "--history/--no-history",
            help="Add to the vectors of products for which queries they were shown, where the model knows it.",
        ),
    ] = True,
    words: Annotated[
        bool,
        typer.Option(
            "--words/--no-words",
            help="Index the words of products too, which the service's rankings `words` and `hybrid` need.",
        ),
    ] = True,
    language: Annotated[
        str | None,
        typer.Option(help="Whose stems words are reduced to, such as german; by default the language of the titles."),
    ] = None,
    new_model: NewModel = False,
    new_columns: NewColumns = False,
) -> None:
    """Encode a catalogue, index it, measure the index, and write it all as a version of a store.

    Vectors are kept in the store: a build that was stopped continues where it was, and the next one encodes only
    products with a new title or photo. Photos that cannot be used stop nothing: see `failures`.
    """
    import torch  # noqa: F401  # where it is not installed, a build is to say so before it begins

    from index_builder.build import BuildRequest, build_version
    from index_builder.words import words_request

    encoding = options.encoding_options(_print_progress, retry_failed=retry_failed, refetch_photos=refetch_photos)
    request = BuildRequest(
        bundle,
        catalog,
        store,
        options.version,
        options.index_request(),
        encoding,
        explain,
        history,
        words=words_request(words, language),
    )
    limits = GateLimits(new_model=new_model, new_columns=new_columns)
    _finish(store, build_version(request, _print_progress), options.publish, limits)


@app.command()
@friendly
@expand_options
def update(
    bundle: Annotated[Path, typer.Option(help="Model bundle that the base version was built with.")],
    changes: Annotated[
        Path, typer.Option(help="Parquet file: product_id, change ('upsert' or 'delete'), and columns of the products.")
    ],
    store: StoreFolder,
    options: UpdateOptions,
    base: Annotated[str | None, typer.Option(help="The version to change; by default the published one.")] = None,
    photos: Annotated[
        Path | None,
        typer.Option(help="Folder that paths of photos are relative to; by default the folder of --changes."),
    ] = None,
) -> None:
    """Make a new version from one of the store and a file of changes; only new titles and photos are encoded.

    An upsert replaces the values of a product in the columns of the file, or adds a product, which needs all columns; a
    delete removes it. Where nothing that the model reads is changed, the version shares all vectors with its base.
    """
    from index_builder.update import UpdateRequest, update_version

    encoding = options.encoding_options(_print_progress)
    request = UpdateRequest(
        bundle, changes, store, base, options.version, photos, options.index_changes(), encoding, options.change_column
    )
    _finish(store, update_version(request, _print_progress), options.publish, GateLimits())


app.add_typer(store_commands.app)


def _print_progress(line: str) -> None:
    typer.echo(line, err=True)


def _finish(store: Path, built: "BuiltVersion", publish: bool, limits: GateLimits) -> None:
    """Print what was built, and run the gate over it."""
    typer.echo(describe_build(built))
    if publish:
        store_commands.publish_or_exit(Store(store), built.manifest.version, limits)
    else:
        store_commands.check_unpublished(Store(store), built.manifest.version, limits)
