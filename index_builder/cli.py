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
from index_builder.errors import IndexBuilderError, VerificationError
from knn import KnnError

if TYPE_CHECKING:
    from index_builder.build import BuiltVersion
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
    catalog: Annotated[Path, typer.Option(help="catalog.parquet, with its photos beside it.")],
    store: StoreFolder,
    version: Annotated[str | None, typer.Option(help="Id of the new version; by default time and model.")] = None,
    index: Annotated[str, typer.Option(help="'auto', or a FAISS factory string such as IVF4096,SQfp16.")] = "auto",
    target_recall: Annotated[
        float, typer.Option(help="Recall@100 against exact search, above 0 and at most 1.")
    ] = 0.99,
    publish: Annotated[bool, typer.Option(help="Publish it if it reaches the target.")] = False,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
) -> None:
    """Encode a catalogue, index it, measure the index, and write it all as a version of a store.

    A build that is stopped keeps its vectors in the store; the same build goes on from there.
    """
    from index_builder.build import BuildRequest, build_version

    request = BuildRequest(bundle, catalog, store, version, index, target_recall, seed)
    built = build_version(request, lambda line: typer.echo(line, err=True))
    typer.echo(describe_build(built))
    if publish:
        _publish(Store(store), built.manifest.version)


@app.command()
@_friendly
def verify(
    store: StoreFolder,
    version: Annotated[str | None, typer.Option(help="By default the published one.")] = None,
) -> None:
    """Check a version: files, parts, and answers to its canary queries. Status 1 if it must not be served."""
    from index_builder.publish import current_version
    from index_builder.verify import verify_version

    with _failed_checks_exit():
        verified = verify_version(Store(store), version or current_version(Store(store)))
    typer.echo(describe_verified(verified))


@app.command("list")
@_friendly
def list_all(store: StoreFolder) -> None:
    """List the versions of a store."""
    from index_builder.listing import format_listing, list_versions

    typer.echo(format_listing(list_versions(Store(store))))


@app.command()
@_friendly
def publish(store: StoreFolder, version: Annotated[str, typer.Option(help="The version to be served.")]) -> None:
    """Verify a version and make it the one that services load."""
    _publish(Store(store), version)


@app.command()
@_friendly
def rollback(store: StoreFolder) -> None:
    """Go back to the version that was published before the current one."""
    from index_builder.publish import rollback_version

    with _failed_checks_exit():
        publication = rollback_version(Store(store))
    typer.echo(describe_publication(publication))


def describe_build(built: "BuiltVersion") -> str:
    """What was built, line by line."""
    lines = [f"{built.path}: {_describe_contents(built.manifest)}", _describe_photos(built.manifest.photos)]
    lines.append(_describe_recall(built.manifest.index))
    if built.manifest.index.measured_with == "titles":
        lines.append(
            "the model has no held-out queries: this was measured with product titles, which real queries "
            "may not bear out"
        )
    if not built.manifest.index.reached_target:
        lines.append(f"BELOW TARGET: version {built.manifest.version} is written but will not be published")
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


def _publish(store: Store, version: str) -> None:
    from index_builder.publish import publish_version

    with _failed_checks_exit():
        publication = publish_version(store, version)
    typer.echo(describe_publication(publication))


@contextmanager
def _failed_checks_exit() -> Iterator[None]:
    """A version or store that failed a check ends the command with its sentence and status 1."""
    try:
        yield
    except (VerificationError, DamagedError) as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(FAILED_CHECK_STATUS) from error


def _describe_contents(manifest: Manifest) -> str:
    total_bytes = sum(file.size_bytes for file in manifest.files.values())
    return (
        f"{manifest.count:,} products of width {manifest.width} by {manifest.model.name} "
        f"({manifest.model.fingerprint[:12]}), {manifest.index.factory}, {total_bytes / 1e6:,.1f} MB"
    )


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
