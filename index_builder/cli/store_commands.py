"""The commands that keep a store: list, verify, publish, roll back, prune, compare."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from artifacts.cli import friendly_errors
from artifacts.errors import DamagedError
from artifacts.store import Store
from index_builder.cli.options import StoreFolder
from index_builder.cli.output import describe_pruning, describe_publication, describe_verified
from index_builder.core.errors import GateError, IndexBuilderError, OptionError, VerificationError
from index_builder.versions.gate_limits import GateLimits
from knn import KnnError

app = typer.Typer()

# OSError: a store that may not be written to, a full disk.
_friendly = friendly_errors(IndexBuilderError, KnnError, OSError)

FAILED_CHECK_STATUS = 1


@app.command()
@_friendly
def verify(
    store: StoreFolder,
    version: Annotated[str | None, typer.Option(help="By default the published one.")] = None,
) -> None:
    """Check a version: files, parts, and answers to its canary queries. Status 1 if it must not be served."""
    from index_builder.versions.listing import gate_note
    from index_builder.versions.publish import current_version
    from index_builder.versions.verify import verify_version

    with _failed_checks_exit():
        verified = verify_version(Store(store), version or current_version(Store(store)))
    mark = gate_note(Store(store), verified.manifest.version)
    typer.echo("\n".join([describe_verified(verified), *filter(None, [mark])]))


@app.command()
@_friendly
def failures(
    store: StoreFolder,
    version: Annotated[str | None, typer.Option(help="By default the published one.")] = None,
) -> None:
    """Print a version's photos that could not be used, and why; their products are found by their titles."""
    from index_builder.versions.ledger import format_failures, version_failures
    from index_builder.versions.publish import current_version

    with _failed_checks_exit():
        found = version_failures(Store(store), version or current_version(Store(store)))
    typer.echo(format_failures(found))


@app.command("list")
@_friendly
def list_all(store: StoreFolder) -> None:
    """List the versions of a store."""
    from index_builder.versions.listing import format_listing, list_versions

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
    publish_or_exit(Store(store), version, limits, reason)


@app.command()
@_friendly
def rollback(store: StoreFolder) -> None:
    """Go back to the version that was published before the current one."""
    from index_builder.versions.publish import rollback_version

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
    from index_builder.versions.prune import prune_store

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
    """ProgressReporter what a version has otherwise than another: products, and answers to their canary queries."""
    from index_builder.versions.diff import describe_diff, diff_versions

    with _failed_checks_exit():
        compared = diff_versions(Store(store), old, new)
    typer.echo(describe_diff(compared))


def publish_or_exit(store: Store, version: str, limits: GateLimits | None = None, reason: str | None = None) -> None:
    """Run the gate over a version and publish it; a refusal ends the command with its sentence and status 1."""
    from index_builder.versions.publish import publish_version

    with _failed_checks_exit():
        publication = publish_version(store, version, limits, reason)
    typer.echo(describe_publication(publication))


def mark(store: Store, version: str) -> None:
    """Run the gate over a version that is not to be published, mark it, and say what it fails."""
    from index_builder.versions.gate import check_and_record

    failures = check_and_record(store, version, GateLimits()).failures
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
