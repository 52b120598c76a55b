"""The command line of the index builder: a version from a catalogue, or from another version and changes."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from artifacts.cli import friendly_errors
from artifacts.store import Store
from index_builder.cli import store_commands
from index_builder.cli.options import (
    AllowPrivateAddresses,
    Bundle,
    DeviceName,
    DownloadConcurrency,
    DownloadTimeout,
    EngineName,
    IndexType,
    MemoryBudget,
    NewVersion,
    Publish,
    RayAddress,
    RayThreads,
    Seed,
    ShardRows,
    StoreFolder,
    TargetRecall,
)
from index_builder.cli.output import describe_build
from index_builder.core.errors import IndexBuilderError, OptionError
from knn import KnnError

if TYPE_CHECKING:
    from index_builder.build import BuiltVersion
    from index_builder.embeddings.tasks import Engine

app = typer.Typer(help="A catalogue and a model to a checked, published index version.", no_args_is_help=True)

# OSError: a store that may not be written to, a full disk.
_friendly = friendly_errors(IndexBuilderError, KnnError, OSError)


@app.command()
@_friendly
def build(
    bundle: Bundle,
    catalog: Annotated[
        Path, typer.Option(help="catalog.parquet with its photos beside it, or a folder of such files.")
    ],
    store: StoreFolder,
    version: NewVersion = None,
    index: IndexType = "auto",
    target_recall: TargetRecall = 0.99,
    device: DeviceName = "cpu",
    memory_budget: MemoryBudget = None,
    publish: Publish = False,
    seed: Seed = 0,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try the photos again that could not be used.")
    ] = False,
    refetch_photos: Annotated[
        bool, typer.Option("--refetch-photos", help="Download photos again, since others may stand at their URLs now.")
    ] = False,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="Keep what `explain` of a search needs where a learned fusion (mlp) mixes title and photo. The first "
            "such build encodes all products again.",
        ),
    ] = False,
    history: Annotated[
        bool,
        typer.Option(
            "--history/--no-history", help="Add what shoppers asked for, where the model knows it of products."
        ),
    ] = True,
    shard_rows: ShardRows = 4096,
    download_concurrency: DownloadConcurrency = 32,
    download_timeout: DownloadTimeout = 30.0,
    allow_private_addresses: AllowPrivateAddresses = False,
    engine: EngineName = "local",
    ray_address: RayAddress = None,
    ray_threads: RayThreads = None,
) -> None:
    """Encode a catalogue, index it, measure the index, and write it all as a version of a store.

    Vectors are kept in the store: a build that was stopped is gone on with, and the next one encodes only what has a
    new title or photo. Photos that cannot be used stop nothing: see `failures`.
    """
    from index_builder.build import BuildRequest, build_version
    from index_builder.embeddings.embed import EncodingOptions
    from index_builder.index.indexing import IndexRequest
    from index_builder.photos.download import DownloadSettings

    downloads = DownloadSettings(allow_private_addresses, download_concurrency, download_timeout)
    encode = _engine(engine, ray_address, ray_threads)
    encoding = EncodingOptions(downloads, retry_failed, refetch_photos, shard_rows, encode)
    index_request = IndexRequest(index, target_recall, device, _in_bytes(memory_budget), seed)
    request = BuildRequest(bundle, catalog, store, version, index_request, encoding, explain, history)
    _finish(store, build_version(request, _print_progress), publish)


@app.command()
@_friendly
def update(
    bundle: Annotated[Path, typer.Option(help="The model bundle that the version was built with.")],
    changes: Annotated[
        Path, typer.Option(help="Parquet file: product_id, change ('upsert' or 'delete'), and the products' columns.")
    ],
    store: StoreFolder,
    base: Annotated[str | None, typer.Option(help="The version to change; by default the published one.")] = None,
    photos: Annotated[
        Path | None, typer.Option(help="What paths of photos are relative to; by default the folder of --changes.")
    ] = None,
    version: NewVersion = None,
    index: IndexType = "auto",
    target_recall: TargetRecall = 0.99,
    device: DeviceName = "cpu",
    memory_budget: MemoryBudget = None,
    publish: Publish = False,
    seed: Seed = 0,
    shard_rows: ShardRows = 4096,
    download_concurrency: DownloadConcurrency = 32,
    download_timeout: DownloadTimeout = 30.0,
    allow_private_addresses: AllowPrivateAddresses = False,
    engine: EngineName = "local",
    ray_address: RayAddress = None,
    ray_threads: RayThreads = None,
) -> None:
    """Make a new version from one of the store and a file of changes; only new titles and photos are encoded.

    An upsert replaces a product's whole row, or adds the product; a delete removes it.
    """
    from index_builder.embeddings.embed import EncodingOptions
    from index_builder.index.indexing import IndexRequest
    from index_builder.photos.download import DownloadSettings
    from index_builder.update import UpdateRequest, update_version

    downloads = DownloadSettings(allow_private_addresses, download_concurrency, download_timeout)
    encode = _engine(engine, ray_address, ray_threads)
    encoding = EncodingOptions(downloads, shard_rows=shard_rows, engine=encode)
    index_request = IndexRequest(index, target_recall, device, _in_bytes(memory_budget), seed)
    request = UpdateRequest(bundle, changes, store, base, version, photos, index_request, encoding)
    _finish(store, update_version(request, _print_progress), publish)


app.add_typer(store_commands.app)


def _print_progress(line: str) -> None:
    typer.echo(line, err=True)


def _in_bytes(gigabytes: float | None) -> int | None:
    return None if gigabytes is None else round(gigabytes * 1e9)


def _engine(name: EngineName, ray_address: str | None, ray_threads: int | None) -> "Engine":
    if name == "ray":
        from index_builder.embeddings.ray_engine import RayEngine

        return RayEngine(ray_address, ray_threads, _print_progress)
    if ray_address is not None or ray_threads is not None:
        raise OptionError("--ray-address and --ray-threads go with --engine ray")
    from index_builder.embeddings.embed import encode_here

    return encode_here


def _finish(store: Path, built: "BuiltVersion", publish: bool) -> None:
    """Say what was built, and run the gate over it."""
    typer.echo(describe_build(built))
    if publish:
        store_commands.publish_or_exit(Store(store), built.manifest.version)
    else:
        store_commands.mark(Store(store), built.manifest.version)
