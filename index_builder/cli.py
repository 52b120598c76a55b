"""The command line of the index builder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from artifacts.cli import friendly_errors
from artifacts.errors import DamagedError
from artifacts.store import Store
from index_builder.describe import describe_build, describe_pruning, describe_publication, describe_verified
from index_builder.errors import GateError, IndexBuilderError, OptionError, VerificationError
from index_builder.limits import GateLimits
from index_builder.options import (
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
from knn import KnnError

if TYPE_CHECKING:
    from index_builder.build import BuiltVersion
    from index_builder.tasks import Engine

app = typer.Typer(help="A catalogue and a model to a checked, published index version.", no_args_is_help=True)

# OSError: a store that may not be written to, a full disk.
_friendly = friendly_errors(IndexBuilderError, KnnError, OSError)

FAILED_CHECK_STATUS = 1


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
    from index_builder.download import DownloadSettings
    from index_builder.embed import EncodingOptions

    downloads = DownloadSettings(allow_private_addresses, download_concurrency, download_timeout)
    encode = _engine(engine, ray_address, ray_threads)
    encoding = EncodingOptions(downloads, retry_failed, refetch_photos, shard_rows, encode)
    request = BuildRequest(
        bundle, catalog, store, version, index, target_recall, seed, encoding, device, _in_bytes(memory_budget)
    )
    _finish(store, build_version(request, _tell), publish)


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
    from index_builder.download import DownloadSettings
    from index_builder.embed import EncodingOptions
    from index_builder.indexing import IndexWish
    from index_builder.update import UpdateRequest, update_version

    downloads = DownloadSettings(allow_private_addresses, download_concurrency, download_timeout)
    encoding = EncodingOptions(downloads, shard_rows=shard_rows, engine=_engine(engine, ray_address, ray_threads))
    wish = IndexWish(index, target_recall, device, _in_bytes(memory_budget), seed)
    request = UpdateRequest(bundle, changes, store, base, version, photos, wish, encoding)
    _finish(store, update_version(request, _tell), publish)


@app.command()
@_friendly
def verify(
    store: StoreFolder,
    version: Annotated[str | None, typer.Option(help="By default the published one.")] = None,
) -> None:
    """Check a version: files, parts, and answers to its canary queries. Status 1 if it must not be served."""
    from index_builder.listing import gate_mark
    from index_builder.publish import current_version
    from index_builder.verify import verify_version

    with _failed_checks_exit():
        verified = verify_version(Store(store), version or current_version(Store(store)))
    mark = gate_mark(Store(store), verified.manifest.version)
    typer.echo("\n".join([describe_verified(verified), *filter(None, [mark])]))


@app.command()
@_friendly
def failures(
    store: StoreFolder,
    version: Annotated[str | None, typer.Option(help="By default the published one.")] = None,
) -> None:
    """Print a version's photos that could not be used, and why; their products are found by their titles."""
    from index_builder.ledger import format_failures, version_failures
    from index_builder.publish import current_version

    with _failed_checks_exit():
        found = version_failures(Store(store), version or current_version(Store(store)))
    typer.echo(format_failures(found))


@app.command("list")
@_friendly
def list_all(store: StoreFolder) -> None:
    """List the versions of a store."""
    from index_builder.listing import format_listing, list_versions

    typer.echo(format_listing(list_versions(Store(store))))


@app.command()
@_friendly
def publish(
    store: StoreFolder,
    version: Annotated[str, typer.Option(help="The version to be served.")],
    least_recall: Annotated[float | None, typer.Option(help="By default the target that it was built for.")] = None,
    most_without_photo: Annotated[float, typer.Option(help="Share of products without a usable photo.")] = (
        GateLimits.most_without_photo
    ),
    most_photo_rise: Annotated[float, typer.Option(help="How much more than the published version's share.")] = (
        GateLimits.most_photo_rise
    ),
    most_product_drop: Annotated[float, typer.Option(help="Share of the published version's count.")] = (
        GateLimits.most_product_drop
    ),
    least_canary_overlap: Annotated[
        float, typer.Option(help="With the published version's answers, where the model is the same.")
    ] = GateLimits.least_canary_overlap,
    force: Annotated[bool, typer.Option(help="Publish it although checks fail; needs --reason.")] = False,
    reason: Annotated[str | None, typer.Option(help="Why, kept with the version.")] = None,
) -> None:
    """Run the gate over a version and make it the one that services load. Status 1 if it is refused."""
    if force != (reason is not None):
        raise OptionError("--force needs a --reason, and --reason goes with --force")
    limits = GateLimits(
        least_recall=least_recall,
        most_without_photo=most_without_photo,
        most_photo_rise=most_photo_rise,
        most_product_drop=most_product_drop,
        least_canary_overlap=least_canary_overlap,
    )
    _publish(Store(store), version, limits, reason)


@app.command()
@_friendly
def rollback(store: StoreFolder) -> None:
    """Go back to the version that was published before the current one."""
    from index_builder.publish import rollback_version

    with _failed_checks_exit():
        publication = rollback_version(Store(store))
    typer.echo(describe_publication(publication))


@app.command()
@_friendly
def prune(
    store: StoreFolder,
    keep: Annotated[int, typer.Option(help="How many of the newest versions stay, whatever they are.")],
) -> None:
    """Remove old versions, never the published one or the one before it, and what killed builds left."""
    from index_builder.prune import prune_store

    with _failed_checks_exit():
        pruning = prune_store(Store(store), keep)
    typer.echo(describe_pruning(pruning))


@app.command()
@_friendly
def diff(
    store: StoreFolder,
    old: Annotated[str, typer.Argument(help="Id of a version.")],
    new: Annotated[str, typer.Argument(help="Id of the version to compare it with.")],
) -> None:
    """Tell what a version has otherwise than another: products, and answers to their canary queries."""
    from index_builder.diff import describe_diff, diff_versions

    with _failed_checks_exit():
        compared = diff_versions(Store(store), old, new)
    typer.echo(describe_diff(compared))


def _tell(line: str) -> None:
    typer.echo(line, err=True)


def _in_bytes(gigabytes: float | None) -> int | None:
    return None if gigabytes is None else round(gigabytes * 1e9)


def _finish(store: Path, built: "BuiltVersion", publish: bool) -> None:
    """Say what was built, and run the gate over it."""
    typer.echo(describe_build(built))
    if publish:
        _publish(Store(store), built.manifest.version)
    else:
        _mark(Store(store), built.manifest.version)


def _engine(name: Literal["local", "ray"], ray_address: str | None, ray_threads: int | None) -> "Engine":
    if name == "ray":
        from index_builder.ray_engine import RayEngine

        return RayEngine(ray_address, ray_threads, _tell)
    if ray_address is not None or ray_threads is not None:
        raise OptionError("--ray-address and --ray-threads go with --engine ray")
    from index_builder.embed import encode_here

    return encode_here


def _publish(store: Store, version: str, limits: GateLimits | None = None, reason: str | None = None) -> None:
    from index_builder.publish import publish_version

    with _failed_checks_exit():
        publication = publish_version(store, version, limits, reason)
    typer.echo(describe_publication(publication))


def _mark(store: Store, version: str) -> None:
    from index_builder.gate import mark_version

    failures = mark_version(store, version, GateLimits()).failures
    if failures:
        typer.echo(f"REFUSED BY THE GATE: version {version} is kept and marked: {'; '.join(failures)}")


@contextmanager
def _failed_checks_exit() -> Iterator[None]:
    """A version or store that failed a check ends the command with its sentence and status 1."""
    try:
        yield
    except (GateError, VerificationError, DamagedError) as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(FAILED_CHECK_STATUS) from error
