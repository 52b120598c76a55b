"""A store of index versions: `versions/ID/...` and a CURRENT file that is replaced atomically.

CURRENT names the published version and those that were published before it, so that a publication or a rollback is
one atomic replacement. After a kill at any moment the store can be read.

A program holds the lock on `.lock` while it changes CURRENT, a gate record (artifacts/gate.py) or the set of versions,
so that two publications or removals never overlap. Readers need no lock.
"""

import json
import re
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from artifacts.atomic import new_folder, replace_file
from artifacts.errors import ArtifactError, DamagedError, StoreError
from artifacts.locks import locked
from artifacts.records import Record, read_record

CURRENT_FILE = "CURRENT"
VERSIONS_FOLDER = "versions"
_LOCK_FILE = ".lock"
_LOCK_WAIT_SECONDS = 60.0  # changes take milliseconds; pruning takes as long as deleting large files
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
        holds_lock: whether the caller already holds the store's lock; see `locked`.
    """

    path: Path
    holds_lock: bool = False

    @contextmanager
    def locked(self) -> Iterator["Store"]:
        """Hold the store's lock, so that nobody else changes the store inside the block.

        Yields the store to use inside the block; another `Store` of the same folder would wait for the lock.

        Raises:
            StoreError: the folder does not exist, or another process has held the lock for a minute.
        """
        if self.holds_lock:
            yield self
            return
        if not self.path.is_dir():
            raise StoreError(f"{self.path} does not exist; the first build creates the store")
        with locked(self.path / _LOCK_FILE, _LOCK_WAIT_SECONDS):
            yield replace(self, holds_lock=True)

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

        The folder is locked until then, so that `remove_leftovers` can distinguish it from a folder of a killed build.

        Raises:
            StoreError: the id is malformed, or the version exists (versions never change).
        """
        path = self._version_folder(version)
        if path.exists():
            raise StoreError(f"{self.path} has a version {version!r} already, and versions never change")
        self.path.mkdir(parents=True, exist_ok=True)
        with ExitStack() as hold, ExitStack() as making:  # the lock is released last, when the folder has its name
            with self.locked():  # no leftovers are removed between the creation of the folder and its locking
                folder = making.enter_context(new_folder(path))
                hold.enter_context(locked(folder, 0))
            yield folder

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
