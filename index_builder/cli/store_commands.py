"""The commands for the versions of a store: list, verify, failures, publish, rollback, prune, diff."""

from typing import Annotated

import typer

from artifacts.cli import printable
from artifacts.store import Store
from index_builder.cli.friendly import FAILED_CHECK_STATUS, failed_checks_exit, friendly
from index_builder.cli.options import NewColumns, NewModel, StoreFolder
from index_builder.cli.output import describe_pruning, describe_publication, describe_verified
from index_builder.core.errors import OptionError
from index_builder.versions.gate_limits import GateLimits

app = typer.Typer()


@app.command()
@friendly
def verify(
    store: StoreFolder,
    version: Annotated[str | None, typer.Option(help="By default the published one.")] = None,
) -> None:
    """Check the files of a version, that they fit together, and its answers to canary queries; status 1 if it fails."""
    from index_builder.versions.listing import gate_note
    from index_builder.versions.publish import current_version
    from index_builder.versions.verify import verify_version

    with failed_checks_exit():
        verified = verify_version(Store(store), version or current_version(Store(store)))
    note = gate_note(Store(store), verified.manifest.version)
    typer.echo("\n".join([describe_verified(verified), *filter(None, [note])]))


@app.command()
@friendly
def failures(
    store: StoreFolder,
    version: Annotated[str | None, typer.Option(help="By default the published one.")] = None,
) -> None:
    """Print the photos of a version that could not be used, and why; their products are found by their titles."""
    from index_builder.versions.ledger import format_failures, version_failures
    from index_builder.versions.publish import current_version

    with failed_checks_exit():
        found = version_failures(Store(store), version or current_version(Store(store)))
    typer.echo(format_failures(found))


@app.command("list")
@friendly
def list_all(store: StoreFolder) -> None:
    """List the versions of a store."""
    from index_builder.versions.listing import format_listing, list_versions

    typer.echo(format_listing(list_versions(Store(store))))


@app.command()
@friendly
def publish(
    store: StoreFolder,
    version: Annotated[str, typer.Option(help="The version that services are to load.")],
    least_recall: Annotated[
        float | None, typer.Option(help="Least recall@100; by default the target that the version was built for.")
    ] = None,
    least_strict_recall: Annotated[
        float | None,
        typer.Option(help="Least strict recall@100, where ties do not count; by default half of the least recall@100."),
    ] = None,
    most_without_photo: Annotated[float, typer.Option(help="Largest share of products without a usable photo.")] = (
        GateLimits.most_without_photo
    ),
    most_photo_rise: Annotated[
        float, typer.Option(help="Largest rise of that share against the published version.")
    ] = (GateLimits.most_photo_rise),
    most_product_drop: Annotated[
        float, typer.Option(help="Largest share of the published version's product count that may be lost.")
    ] = (GateLimits.most_product_drop),
    least_canary_overlap: Annotated[
        float,
        typer.Option(help="Least overlap with the published version's answers to canary queries, for the same model."),
    ] = GateLimits.least_canary_overlap,
    least_new_model_overlap: Annotated[
        float, typer.Option(help="The same for another model than that of the published version.")
    ] = GateLimits.least_new_model_overlap,
    most_without_title: Annotated[float, typer.Option(help="Largest share of products without a title.")] = (
        GateLimits.most_without_title
    ),
    most_vector_similarity: Annotated[
        float, typer.Option(help="Largest mean cosine of the vectors of two products.")
    ] = GateLimits.most_vector_similarity,
    new_model: NewModel = False,
    new_columns: NewColumns = False,
    force: Annotated[bool, typer.Option(help="Publish the version although checks fail; needs --reason.")] = False,
    reason: Annotated[str | None, typer.Option(help="Why it is published all the same; kept with the version.")] = None,
) -> None:
    """Run the gate over a version and make it the one that services load; status 1 if the gate refuses it."""
    from index_builder.versions.listing import gate_notes

    if force != (reason is not None):
        raise OptionError("--force needs a --reason, and --reason goes with --force")
    limits = GateLimits(
        least_recall=least_recall,
        least_strict_recall=least_strict_recall,
        most_without_photo=most_without_photo,
        most_photo_rise=most_photo_rise,
        most_product_drop=most_product_drop,
        least_canary_overlap=least_canary_overlap,
        least_new_model_overlap=least_new_model_overlap,
        most_without_title=most_without_title,
        most_vector_similarity=most_vector_similarity,
        new_model=new_model,
        new_columns=new_columns,
    )
    publish_or_exit(Store(store), version, limits, reason)
    for note in gate_notes(Store(store), version):
        typer.echo(f"Note: {note}", err=True)


@app.command()
@friendly
def rollback(store: StoreFolder) -> None:
    """Publish again the version that was published before the current one."""
    from index_builder.versions.publish import rollback_version

    with failed_checks_exit():
        publication = rollback_version(Store(store))
    typer.echo(describe_publication(publication))


@app.command()
@friendly
def prune(
    store: StoreFolder,
    keep: Annotated[int, typer.Option(help="How many of the newest versions are kept.")],
) -> None:
    """Remove old versions, but never the published one or the one before it, and files that killed builds left."""
    from index_builder.versions.prune import prune_store

    with failed_checks_exit():
        pruning = prune_store(Store(store), keep)
    typer.echo(describe_pruning(pruning))


@app.command()
@friendly
def diff(
    store: StoreFolder,
    old: Annotated[str, typer.Argument(help="Id of a version.")],
    new: Annotated[str, typer.Argument(help="Id of the version to compare it with.")],
) -> None:
    """Compare two versions: their products, and the expected answers to their canary queries."""
    from index_builder.versions.diff import describe_diff, diff_versions

    with failed_checks_exit():
        compared = diff_versions(Store(store), old, new)
    typer.echo(describe_diff(compared))


def publish_or_exit(store: Store, version: str, limits: GateLimits, reason: str | None = None) -> None:
    """Run the gate over a version and publish it; a refusal ends the command with a sentence and status 1."""
    from index_builder.versions.publish import publish_version

    with failed_checks_exit():
        publication = publish_version(store, version, limits, reason)
    typer.echo(describe_publication(publication))


def check_unpublished(store: Store, version: str, limits: GateLimits) -> None:
    """Run the gate over a version that is not to be published, and record its decision; status 1 if it refuses it."""
    from index_builder.versions.gate import check_and_record

    failures = check_and_record(store, version, limits).failures
    if failures:
        typer.echo(f"REFUSED BY THE GATE: version {version} is kept and marked: {printable('; '.join(failures))}")
        raise typer.Exit(FAILED_CHECK_STATUS)
