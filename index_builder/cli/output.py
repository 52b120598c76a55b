"""The text that the commands print."""

from typing import TYPE_CHECKING

from artifacts.manifest import IndexDescription, Manifest, PhotoCounts
from artifacts.store import Publication
from index_builder.index.few_queries import describe_few_queries

if TYPE_CHECKING:  # what these need takes seconds to load
    from index_builder.new_version import BuiltVersion
    from index_builder.versions.prune import Pruning
    from index_builder.versions.verify import VerifiedVersion


def describe_pruning(pruning: "Pruning") -> str:
    """Return what was removed, one line each."""
    lines = [f"removed version {removal.name}: {_megabytes(removal.freed_bytes)}" for removal in pruning.versions]
    lines += [f"removed unused {removal.name}: {_megabytes(removal.freed_bytes)}" for removal in pruning.unused]
    lines += [
        f"kept version {version}: its manifest cannot be read; see `list`, and remove its folder if it is of no use"
        for version in pruning.unreadable
    ]
    return "\n".join([*lines, f"{_megabytes(pruning.freed_bytes)} freed"])


def describe_build(built: "BuiltVersion") -> str:
    """Return what was built, as lines of text."""
    lines = [f"{built.path}: {_describe_contents(built.manifest)}", _describe_photos(built.manifest.photos)]
    lines.append(
        f"{built.encoded:,} of {built.manifest.count:,} products encoded; the store had the vectors of the others"
    )
    return "\n".join([*lines, *_describe_measurement(built.manifest.index)])


def describe_verified(verified: "VerifiedVersion") -> str:
    """Return what was checked, as lines of text."""
    manifest = verified.manifest
    return "\n".join(
        [
            f"version {manifest.version} is sound: {_describe_contents(manifest)}",
            f"{len(manifest.files)} files have their checksums; {len(manifest.canaries)} canary queries find "
            f"{verified.canary_overlap:.1%} of the expected products",
            *_describe_measurement(manifest.index),
        ]
    )


def describe_publication(publication: Publication) -> str:
    """Return what is published now, and what a rollback would publish."""
    before = publication.previous[0] if publication.previous else "nothing"
    return f"published {publication.current}; before it {before}"


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
    further = sum(photos.further_unusable.values())
    unusable = ", ".join(f"{count:,} {reason}" for reason, count in photos.unusable.items())
    return (
        f"photos: {photos.usable:,} usable, {photos.absent:,} absent, "
        f"{sum(photos.unusable.values()):,} unusable{f' ({unusable})' if unusable else ''}"
        f"{f', {further:,} further photos unusable' if further else ''}"
    )


def _describe_measurement(index: IndexDescription) -> list[str]:
    return [_describe_recall(index), *filter(None, [describe_few_queries(index)])]


def _describe_recall(index: IndexDescription) -> str:
    parameters = {"nprobe": index.nprobe, "k_factor": index.k_factor, "ef_search": index.ef_search}
    set_to = ", ".join(f"{name} {value:g}" for name, value in parameters.items() if value is not None)
    speed = f", {index.chosen.ms_per_query:.2f} ms a query alone on one thread" if index.chosen else ""
    return (
        f"recall@100 {index.recall_at_100:.4f} (target {index.target_recall:g}) over "
        f"{index.measured_queries:,} queries{speed}{f', {set_to}' if set_to else ''}"
    )
