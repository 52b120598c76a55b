"""The command line of the index builder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from artifacts.cli import friendly_errors
from artifacts.errors import DamagedError
from artifacts.index_version import IndexDescription, Manifest, PhotoCounts
from artifacts.store import Publication, Store
from index_builder.errors import GateError, IndexBuilderError, OptionError, VerificationError
from index_builder.limits import GateLimits
from knn import KnnError

if TYPE_CHECKING:
    from index_builder.build import BuiltVersion
    from index_builder.prune import Pruning
    from index_builder.verify import VerifiedVersion

app = typer.Typer(help="A catalogue and a model to a checked, published index version.", no_args_is_help=True)

# OSError: a store that may not be written to, a full disk.
_friendly = friendly_errors(IndexBuilderError, KnnError, OSError)

FAILED_CHECK_STATUS = 1

StoreFolder = Annotated[Path, typer.Option(help="Folder of the store.")]


@app.command()
@_friendly
def build(
    bundle: Annotated[Path, typer.Option(help="Model bundle made by `training fit`.")],
    catalog: Annotated[
        Path, typer.Option(help="catalog.parquet with its photos beside it, or a folder of such files.")
    ],
    store: StoreFolder,
    version: Annotated[str | None, typer.Option(help="Id of the new version; by default time and model.")] = None,
    index: Annotated[str, typer.Option(help="'auto', or a FAISS factory string such as IVF4096,SQfp16.")] = "auto",
    target_recall: Annotated[
        float, typer.Option(help="Recall@100 against exact search, above 0 and at most 1.")
    ] = 0.99,
    publish: Annotated[bool, typer.Option(help="Publish it if it passes the gate.")] = False,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    download_concurrency: Annotated[int, typer.Option(help="Photos by URL that are downloaded at a time.")] = 32,
    download_timeout: Annotated[float, typer.Option(help="Seconds for one try of one photo.")] = 30.0,
    allow_private_addresses: Annotated[
        bool, typer.Option("--allow-private-addresses", help="Download also from hosts inside the own network.")
    ] = False,
) -> None:
    """Encode a catalogue, index it, measure the index, and write it all as a version of a store.

    A build that is stopped keeps its vectors in the store; the same build goes on from there. Photos that cannot be
    used stop nothing: see `failures`.
    """
    from index_builder.build import BuildRequest, build_version
    from index_builder.download import DownloadSettings

    downloads = DownloadSettings(allow_private_addresses, download_concurrency, download_timeout)
    request = BuildRequest(bundle, catalog, store, version, index, target_recall, seed, downloads)
    built = build_version(request, lambda line: typer.echo(line, err=True))
    typer.echo(describe_build(built))
    if publish:
        _publish(Store(store), built.manifest.version)
    else:
        _mark(Store(store), built.manifest.version)


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


def describe_pruning(pruning: "Pruning") -> str:
    """What was removed, line by line."""
    lines = [f"removed version {removal.name}: {_megabytes(removal.freed_bytes)}" for removal in pruning.versions]
    lines += [f"cleared away {removal.name}: {_megabytes(removal.freed_bytes)}" for removal in pruning.leftovers]
    return "\n".join([*lines, f"{_megabytes(pruning.freed_bytes)} freed"])


def describe_build(built: "BuiltVersion") -> str:
    """What was built, line by line."""
    lines = [f"{built.path}: {_describe_contents(built.manifest)}", _describe_photos(built.manifest.photos)]
    lines.append(_describe_recall(built.manifest.index))
    if built.manifest.index.measured_with == "titles":
        lines.append(
            "the model has no held-out queries: this was measured with product titles, which real queries "
            "may not bear out"
        )
    return "\n".join(lines)


def describe_verified(verified: "VerifiedVersion") -> str:
    """What was checked, line by line."""
    manifest = verified.manifest
    return "\n".join(
        [
            f"version {manifest.version} is sound: {_describe_contents(manifest)}",
            f"{len(manifest.files)} files have their checksums; {len(manifest.canaries)} canary queries find "
            f"{verified.canary_overlap:.1%} of the products that they should",
            _describe_recall(manifest.index),
        ]
    )


def describe_publication(publication: Publication) -> str:
    """What is published now, and what a rollback would go back to."""
    before = publication.previous[0] if publication.previous else "nothing"
    return f"published {publication.current}; before it {before}"


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


def _describe_contents(manifest: Manifest) -> str:
    total_bytes = sum(file.size_bytes for file in manifest.files.values())
    return (
        f"{manifest.count:,} products of width {manifest.width} by {manifest.model.name} "
        f"({manifest.model.fingerprint[:12]}), {manifest.index.factory}, {_megabytes(total_bytes)}"
    )


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:,.1f} MB"


def _describe_photos(photos: PhotoCounts) -> str:
    if not photos.usable and not photos.absent and not photos.unusable:
        return "photos: the model reads none"
    unusable = ", ".join(f"{count:,} {reason}" for reason, count in photos.unusable.items())
    return (
        f"photos: {photos.usable:,} usable, {photos.absent:,} absent, "
        f"{sum(photos.unusable.values()):,} unusable{f' ({unusable})' if unusable else ''}"
    )


def _describe_recall(index: IndexDescription) -> str:
    dials = {"nprobe": index.nprobe, "k_factor": index.k_factor}
    set_to = ", ".join(f"{name} {value:g}" for name, value in dials.items() if value is not None)
    latencies_ms = [
        point.ms_per_query for point in index.curve if (point.nprobe, point.k_factor) == (index.nprobe, index.k_factor)
    ]
    speed = f", {latencies_ms[0]:.2f} ms a query alone on one thread" if latencies_ms else ""
    return (
        f"recall@100 {index.recall_at_100:.4f} (target {index.target_recall:g}) over "
        f"{index.measured_queries:,} queries{speed}{f', {set_to}' if set_to else ''}"
    )
