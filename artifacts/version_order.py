"""The order in which a store got its versions: by a number in their manifests, since clocks of machines may be wrong.

A version gets its number when it is complete, under the store's lock: one more than the largest in the store. Versions
of older releases have none and come before those that have one, ordered by `created_at`. Where a version whose manifest
cannot be read belongs is unknown.
"""

import datetime
from collections.abc import Iterable
from pathlib import Path

from artifacts.errors import ArtifactError
from artifacts.manifest import Manifest, read_manifest


def in_order(versions: Iterable[Path]) -> tuple[list[str], list[str]]:
    """Return the ids of versions, oldest first, and the ids of those whose manifests cannot be read.

    Args:
        versions: folders of versions.
    """
    folders = list(versions)
    found = [(manifest, folder.name) for folder in folders if (manifest := _manifest(folder))]
    ordered = [version for _, _, version in sorted((*_place(manifest), version) for manifest, version in found)]
    return ordered, sorted({folder.name for folder in folders} - set(ordered))


def next_sequence(versions: Iterable[Path]) -> int:
    """Return the number of the version that comes after all of these."""
    manifests = filter(None, map(_manifest, versions))
    return 1 + max((manifest.sequence or 0 for manifest in manifests), default=0)


def _manifest(folder: Path) -> Manifest | None:
    try:
        return read_manifest(folder)
    except (ArtifactError, OSError):
        return None


def _place(manifest: Manifest) -> tuple[int, datetime.datetime]:
    try:
        created_at = datetime.datetime.fromisoformat(manifest.created_at)
    except ValueError:
        created_at = datetime.datetime.min
    return manifest.sequence or 0, created_at if created_at.tzinfo else created_at.replace(tzinfo=datetime.UTC)
