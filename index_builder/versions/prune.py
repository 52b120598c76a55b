"""Removes old versions and unused files from a store."""

import datetime
from dataclasses import dataclass

from artifacts.errors import ArtifactError
from artifacts.index_version import read_manifest
from artifacts.removal import Removal, protected_versions, remove_leftovers, remove_versions
from artifacts.store import Store
from index_builder.core.errors import OptionError
from index_builder.embeddings.pool_pruning import prune_pools


@dataclass(frozen=True)
class Pruning:
    """What was removed from a store.

    Attributes:
        versions: removed versions, oldest first.
        unused: files that killed programs left, and vectors that no version needs, by their path in the store.
    """

    versions: tuple[Removal, ...]
    unused: tuple[Removal, ...]

    @property
    def freed_bytes(self) -> int:
        """Size of all that was removed."""
        return sum(removal.freed_bytes for removal in (*self.versions, *self.unused))


def prune_store(store: Store, keep: int) -> Pruning:
    """Remove all versions but the newest `keep`, the published one, and the one that a rollback would publish.

    Files that killed builds, publications and removals left are removed too, and vectors that no version needs. Files
    of a running build stay, and so do vectors that a killed build has encoded.

    Raises:
        OptionError: `keep` is below 1.
        DamagedError: CURRENT is not readable, so that the published version is unknown.
        StoreError: the store does not exist, or another program holds its lock.
    """
    if keep < 1:
        raise OptionError(f"keep: expected at least 1, got {keep}")
    with store.locked() as held:
        by_age = sorted(held.version_ids(), key=lambda version: (_created_at(held, version), version))
        old = [version for version in by_age[:-keep] if version not in protected_versions(held)]
        versions, leftovers = remove_versions(held, old), remove_leftovers(held)
    return Pruning(tuple(versions), (*leftovers, *prune_pools(store)))


def _created_at(store: Store, version: str) -> datetime.datetime:
    """Return when a version was built or, where its manifest cannot be read, when its folder last changed."""
    path = store.version_path(version)
    try:
        created_at = datetime.datetime.fromisoformat(read_manifest(path).created_at)
    except (ArtifactError, OSError, ValueError):
        return datetime.datetime.fromtimestamp(path.stat().st_mtime, datetime.UTC)
    return created_at if created_at.tzinfo else created_at.replace(tzinfo=datetime.UTC)
