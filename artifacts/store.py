"""A store of index versions: `versions/ID/...` and a CURRENT file that is replaced atomically.

CURRENT names the published version and those that were published before it, so that one atomic
replacement carries both a publication and a rollback. A kill at any instant leaves a store that loads.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from artifacts.atomic import new_folder, replace_file
from artifacts.errors import ArtifactError, DamagedError, StoreError
from artifacts.records import Record, read_record

CURRENT_FILE = "CURRENT"
_VERSION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_REMEMBERED = 20  # how many publications CURRENT can be rolled back through


class _Current(Record):
    """The content of CURRENT."""

    version: str
    previous: tuple[str, ...]


@dataclass(frozen=True)
class Publication:
    """What a store has published: the current version and those before it, latest first."""

    current: str | None
    previous: tuple[str, ...] = ()


@dataclass(frozen=True)
class Store:
    """A folder of index versions."""

    path: Path

    def version_ids(self) -> list[str]:
        """Ids of the complete versions, in the order of their names."""
        folder = self.path / "versions"
        if not folder.is_dir():
            return []
        return sorted(entry.name for entry in folder.iterdir() if _VERSION_ID.fullmatch(entry.name) and entry.is_dir())

    def version_path(self, version: str) -> Path:
        """Folder of a version.

        Raises:
            StoreError: the id is malformed (it could point outside), or the store has no such version.
        """
        path = self._version_folder(version)
        if not path.is_dir():
            known = ", ".join(self.version_ids()) or "none"
            raise StoreError(f"{self.path} has no version {version!r}; it has {known}")
        return path

    @contextmanager
    def new_version(self, version: str) -> Iterator[Path]:
        """Yield an empty folder that becomes the version when the block ends without an error.

        Raises:
            StoreError: the id is malformed, or the version exists (versions never change).
        """
        path = self._version_folder(version)
        if path.exists():
            raise StoreError(f"{self.path} has a version {version!r} already, and versions never change")
        with new_folder(path) as folder:
            yield folder

    def publication(self) -> Publication:
        """What is published now.

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

    def publish(self, version: str) -> Publication:
        """Make `version` the current one; what was current becomes what a rollback goes back to.

        Raises:
            StoreError: the store has no such version.
        """
        self.version_path(version)
        before = self._publication_or_nothing()
        if before.current == version:
            return before
        previous = (before.current, *before.previous) if before.current else ()
        return self._write(Publication(version, previous[:_REMEMBERED]))

    def rollback(self) -> Publication:
        """Make the version current that was published before this one.

        Raises:
            StoreError: there is none, or it was removed.
        """
        before = self.publication()
        if not before.previous:
            raise StoreError(f"{self.path} has no earlier publication to roll back to")
        self.version_path(before.previous[0])
        return self._write(Publication(before.previous[0], before.previous[1:]))

    def _publication_or_nothing(self) -> Publication:
        try:
            return self.publication()
        except DamagedError:
            return Publication(current=None)

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
        return self.path / "versions" / version
