"""Which versions of a store may go."""

import datetime
from dataclasses import dataclass

from artifacts.errors import ArtifactError
from artifacts.index_version import read_manifest
from artifacts.removal import Removal, protected_versions, remove_versions, sweep
from artifacts.store import Store
from index_builder.errors import OptionError


@dataclass(frozen=True)
class Pruning:
    """What was removed from a store.

    Attributes:
        versions: the versions, oldest first.
        leftovers: what killed programs had left, by its place in the store.
    """

    versions: tuple[Removal, ...]
    leftovers: tuple[Removal, ...]

    @property
    def freed_bytes(self) -> int:
        """Of all that was removed."""
        return sum(removal.freed_bytes for removal in (*self.versions, *self.leftovers))


def prune_store(store: Store, keep: int) -> Pruning:
    """Remove all versions but the newest `keep`, the published one, and the one that a rollback goes back to.

    What builds, publications and removals left when they were killed is removed too; what a running build
    writes is not.

    Raises:
        OptionError: `keep` is below 1.
        DamagedError: CURRENT is not readable, so that nobody knows which version is published.
        StoreError: the store is not there, or its lock is not to be had.
    """
    if keep < 1:
        raise OptionError(f"keep: expected at least 1, got {keep}")
    with store.locked() as held:
        by_age = sorted(held.version_ids(), key=lambda version: (_created_at(held, version), version))
        old = [version for version in by_age[:-keep] if version not in protected_versions(held)]
        return Pruning(tuple(remove_versions(held, old)), tuple(sweep(held)))


def _created_at(store: Store, version: str) -> datetime.datetime:
    """When a version was built; where its manifest cannot be read, when its folder last changed."""
    path = store.version_path(version)
    try:
        created_at = datetime.datetime.fromisoformat(read_manifest(path).created_at)
    except (ArtifactError, OSError, ValueError):
        return datetime.datetime.fromtimestamp(path.stat().st_mtime, datetime.UTC)
    return created_at if created_at.tzinfo else created_at.replace(tzinfo=datetime.UTC)
