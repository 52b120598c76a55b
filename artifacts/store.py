"""A store of index versions: `versions/ID/...` and a CURRENT file that is replaced atomically.

CURRENT names the published version and those that were published before it, so that a publication or a rollback is
one atomic replacement. After a kill at any moment the store can be read.

A program holds the lock `.lock` (artifacts/locks.py) while it changes CURRENT, a gate record (artifacts/gate.py) or the
set of versions, so that two publications or removals never overlap, also of two machines. Readers need no lock.
"""

import json
import re
import secrets
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from artifacts.atomic import new_folder, replace_file, sync_tree
from artifacts.errors import ArtifactError, DamagedError, StoreError
from artifacts.index_version import number_version
from artifacts.leases import Lease
from artifacts.locks import claimed, locked
from artifacts.manifest import MANIFEST_FILE
from artifacts.records import Record, read_record
from artifacts.version_order import next_sequence

CURRENT_FILE = "CURRENT"
VERSIONS_FOLDER = "versions"
_LOCK_FOLDER = ".lock"
LEASE_SUFFIX = ".lease"  # of the file beside the folder of a version that is being built
_LOCK_WAIT_SECONDS = 60.0  # changes take milliseconds; pruning takes as long as deleting large files
_FINISH_WAIT_SECONDS = 3600.0  # a build of hours does not end in vain because somebody prunes
_VERSION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_KEPT_PUBLICATIONS = 20  # earlier publications in CURRENT to which a store can be rolled back


class _Current(Record):
    """The content of CURRENT."""

    version: str
    previous: tuple[str, ...]


@dataclass(frozen=True)
class Publication:
    """The published version of a store and those published before it, latest first."""

    current: str | None
    previous: tuple[str, ...] = ()


@dataclass(frozen=True)
class Store:
    """A folder of index versions.

    Attributes:
        path: the folder.
        lease: the store's lock, where the caller already holds it; see `locked`.
    """

    path: Path
    lease: Lease | None = None

    @contextmanager
    def locked(self, wait_seconds: float | None = None) -> Iterator["Store"]:
        """Hold the store's lock, so that nobody else changes the store inside the block.

        Yields the store to use inside the block; another `Store` of the same folder would wait for the lock.

        Args:
            wait_seconds: how long to wait for another holder; None for a minute.

        Raises:
            StoreError: the folder does not exist, or another process has held the lock for that time.
        """
        if self.lease:
            yield self
            return
        if not self.path.is_dir():
            raise StoreError(f"{self.path} does not exist; the first build creates the store")
        with locked(self.path / _LOCK_FOLDER, _LOCK_WAIT_SECONDS if wait_seconds is None else wait_seconds) as lease:
            yield replace(self, lease=lease)

    def check_lock(self) -> None:
        """Check, before a change that cannot be undone, that the lock is still held.

        Raises:
            StoreError: another machine has taken it over.
        """
        if self.lease:
            self.lease.check()

    def version_ids(self) -> list[str]:
        """Return the ids of the complete versions in alphabetical order."""
        try:
            entries = list((self.path / VERSIONS_FOLDER).iterdir())
        except (FileNotFoundError, NotADirectoryError):  # no build has written one, or the store is being moved away
            return []
        return sorted(entry.name for entry in entries if _VERSION_ID.fullmatch(entry.name) and entry.is_dir())

    def version_path(self, version: str) -> Path:
        """Return the folder of a version.

        Raises:
            StoreError: the id is malformed, so that it could point outside of the store, or there is no such version.
        """
        path = self._version_folder(version)
        if not path.is_dir():
            known = ", ".join(self.version_ids()) or "none"
            raise StoreError(f"{self.path} has no version {version!r}; it has {known}")
        return path

    @contextmanager
    def new_version(self, version: str) -> Iterator[Path]:
        """Yield an empty folder that becomes the version when the block ends without an error.

        Until then a lease beside the folder tells `remove_leftovers` that the build is running. It is there before the
        folder is, so that nobody finds a folder without it. What removes the folder renames it first, so that the
        version is there wholly or not at all, also if the lease is lost in the last moment.

        The manifest, if there is one, gets the version's place in the order of the store's versions.

        Raises:
            StoreError: the id is malformed, the version exists (versions never change), or another machine has removed
                the folder, since this one could not show for a minute that the build is running.
        """
        path = self._version_folder(version)
        if path.exists():
            raise StoreError(f"{self.path} has a version {version!r} already, and versions never change")
        self.path.mkdir(parents=True, exist_ok=True)
        folder = path.with_name(f".{version}.{secrets.token_hex(4)}")
        with ExitStack() as holding, ExitStack() as making:  # locks are given back when the folder has its name
            with self.locked():
                path.parent.mkdir(exist_ok=True)
                lease = holding.enter_context(claimed(lease_path(folder)))
                making.enter_context(new_folder(path, temporary=folder))
            try:
                yield folder
                sync_tree(folder)  # before others have to wait
            except Exception as error:
                lease.check(error)
                raise
            store = holding.enter_context(self.locked(_FINISH_WAIT_SECONDS))
            lease.check()
            if (folder / MANIFEST_FILE).is_file():
                number_version(folder, next_sequence(map(store.version_path, store.version_ids())))

    def publication(self) -> Publication:
        """Read what is published now.

        Raises:
            DamagedError: CURRENT is not readable.
        """
        path = self.path / CURRENT_FILE
        if not path.exists():
            return Publication(current=None)
        try:
            content = read_record(path, _Current)
            for version in (content.version, *content.previous):
                self._version_folder(version)
        except ArtifactError as error:
            raise DamagedError(f"{path} is not readable; publish a version to write it again") from error
        return Publication(content.version, content.previous)

    def publication_if_readable(self) -> Publication:
        """Read what is published now; nothing if CURRENT is not readable, which the next publication repairs."""
        try:
            return self.publication()
        except DamagedError:
            return Publication(current=None)

    def publish(self, version: str) -> Publication:
        """Make `version` the current one; a rollback returns to the version that was current before.

        Raises:
            StoreError: the store has no such version, or another process holds its lock.
        """
        self.version_path(version)
        with self.locked() as store:
            store.version_path(version)  # it may have been pruned while this waited for the lock
            before = store.publication_if_readable()
            if before.current == version:
                return before
            previous = (before.current, *before.previous) if before.current else ()
            return store._write(Publication(version, previous[:_KEPT_PUBLICATIONS]))

    def rollback(self) -> Publication:
        """Make the version current that was published before the current one.

        Raises:
            StoreError: there is none, it was removed, or another process holds the lock.
        """
        with self.locked() as store:
            before = store.publication()
            if not before.previous:
                raise StoreError(f"{self.path} has no earlier publication to roll back to")
            store.version_path(before.previous[0])
            return store._write(Publication(before.previous[0], before.previous[1:]))

    def forget(self, versions: Collection[str]) -> Publication:
        """Remove versions from the list of earlier publications; the current version stays published.

        Raises:
            DamagedError: CURRENT is not readable.
            StoreError: another process holds the lock.
        """
        with self.locked() as store:
            before = store.publication()
            left = [before.current, *(version for version in before.previous if version not in versions)]
            steps = [after for earlier, after in pairwise(left) if after is not None and after != earlier]
            after = Publication(before.current, tuple(steps))
            return before if after == before else store._write(after)

    def _write(self, publication: Publication) -> Publication:
        self.check_lock()
        content = {"version": publication.current, "previous": list(publication.previous)}
        replace_file(self.path / CURRENT_FILE, json.dumps(content).encode() + b"\n")
        return publication

    def _version_folder(self, version: str) -> Path:
        if not _VERSION_ID.fullmatch(version):
            raise StoreError(
                f"{version!r} is no version id: expected up to 100 letters, digits, '.', '_' or '-', "
                "beginning with a letter or digit"
            )
        return self.path / VERSIONS_FOLDER / version


def lease_path(folder: Path) -> Path:
    """Return the path of the lease of a version that is being built in a folder."""
    return folder.with_name(f"{folder.name}{LEASE_SUFFIX}")
