"""Removes old versions and unused files from a store."""

from dataclasses import dataclass

from artifacts.removal import Removal, protected_versions, remove_leftovers, remove_versions
from artifacts.store import Store
from artifacts.version_order import in_order
from index_builder.core.errors import OptionError
from index_builder.embeddings.pool_pruning import prune_pools


@dataclass(frozen=True)
class Pruning:
    """What was removed from a store.

    Attributes:
        versions: removed versions, oldest first.
        unused: files that killed programs left, and vectors that no version needs, by their path in the store.
        unreadable: versions that stay since their manifests cannot be read, so that nobody knows how old they are.
    """

    versions: tuple[Removal, ...]
    unused: tuple[Removal, ...]
    unreadable: tuple[str, ...] = ()

    @property
    def freed_bytes(self) -> int:
        """Size of all that was removed."""
        return sum(removal.freed_bytes for removal in (*self.versions, *self.unused))


def prune_store(store: Store, keep: int) -> Pruning:
    """Remove all versions but the newest `keep`, the published one, and the one that a rollback would publish.

    Which are the newest is a matter of the order in which the store got them, not of clocks. Files that killed builds,
    publications and removals left are removed too, and vectors that no version needs. Files of a running build stay,
    and so do vectors that a killed build has encoded.

    Raises:
        OptionError: `keep` is below 1.
        DamagedError: CURRENT is not readable, so that the published version is unknown.
        StoreError: the store does not exist, or another program holds its lock.
    """
    if keep < 1:
        raise OptionError(f"keep: expected at least 1, got {keep}")
    with store.locked() as held:
        by_age, unreadable = in_order(map(held.version_path, held.version_ids()))
        old = [version for version in by_age[:-keep] if version not in protected_versions(held)]
        versions = remove_versions(held, old)
    return Pruning(tuple(versions), (*remove_leftovers(store), *prune_pools(store)), tuple(unreadable))
