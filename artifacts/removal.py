"""Removal of versions from a store, and of what killed programs left in it.

A version is renamed out of `versions/` into a folder that no reader uses, and deleted there. After a kill at any moment
it is complete or gone, and the next `remove_leftovers` deletes the rest. All of this happens under the store's lock.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from artifacts.atomic import sync_folder
from artifacts.errors import StoreError
from artifacts.gate import GATE_FOLDER, gate_path
from artifacts.locks import is_locked
from artifacts.store import CURRENT_FILE, VERSIONS_FOLDER, Store

_REMOVED_FOLDER = ".removed"
_OLD_VECTORS = ".vectors-"  # folders with the vectors of interrupted builds of the oldest builders


@dataclass(frozen=True)
class Removal:
    """A version or a leftover that was removed.

    Attributes:
        name: id of the version, or path of the leftover in the store.
        freed_bytes: size of its files.
    """

    name: str
    freed_bytes: int


def remove_versions(store: Store, versions: Sequence[str]) -> list[Removal]:
    """Delete versions, their gate records, and their entries in the list of earlier publications.

    Raises:
        StoreError: one of the versions is published, is the target of a rollback, or does not exist; nothing is
            removed then.
        DamagedError: CURRENT is not readable, so that the published version is unknown.
    """
    with store.locked() as held:
        protected = protected_versions(held)
        for version in versions:
            held.version_path(version)
            if version in protected:
                raise StoreError(f"version {version} is published, or the target of a rollback; it is not removed")
        held.forget(versions)
        return [_remove_version(held, version) for version in versions]


def protected_versions(store: Store) -> frozenset[str]:
    """Return the versions that are never removed: the current one and the one before it.

    Raises:
        DamagedError: CURRENT is not readable.
    """
    publication = store.publication()
    return frozenset(filter(None, [publication.current, *publication.previous[:1]]))


def remove_leftovers(store: Store) -> list[Removal]:
    """Delete what killed builds, publications and removals left, but nothing of a running build.

    Vectors that builds keep for later builds (`embeddings/`) are not deleted either.
    """
    with store.locked() as held:
        return [_delete(held, path) for path in _leftovers(held)]


def _remove_version(store: Store, version: str) -> Removal:
    removed = store.path / _REMOVED_FOLDER
    removed.mkdir(exist_ok=True)
    place = Path(tempfile.mkdtemp(dir=removed)) / version
    os.rename(store.version_path(version), place)
    sync_folder(store.path / VERSIONS_FOLDER)
    gate_path(store, version).unlink(missing_ok=True)
    return Removal(version, _delete(store, place.parent).freed_bytes)


def _leftovers(store: Store) -> Iterator[Path]:
    """Yield the paths of interrupted removals and builds, temporary files, and records of removed versions."""
    yield from _entries(store.path / _REMOVED_FOLDER)
    for folder in _entries(store.path / VERSIONS_FOLDER):
        if folder.name.startswith(".") and folder.is_dir() and not is_locked(folder):
            yield folder
    yield from (path for path in _entries(store.path) if path.name.startswith((f".{CURRENT_FILE}.", _OLD_VECTORS)))
    yield from (path for path in _entries(store.path / GATE_FOLDER) if path.name.startswith("."))
    known = set(store.version_ids())
    yield from (
        path for path in _entries(store.path / GATE_FOLDER) if path.suffix == ".json" and path.stem not in known
    )


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _delete(store: Store, path: Path) -> Removal:
    files = [path, *path.rglob("*")] if path.is_dir() else [path]
    freed_bytes = sum(file.lstat().st_size for file in files if not file.is_dir() or file.is_symlink())
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    return Removal(path.relative_to(store.path).as_posix(), freed_bytes)
