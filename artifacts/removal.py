"""Removal of versions from a store, and of what killed programs left in it.

A version is renamed out of `versions/` into a folder that no reader uses, and deleted there. So is what a killed build
left; should it run after all, it cannot become a version then. After a kill at any moment a version is complete or
gone, and the next `remove_leftovers` deletes the rest. All of this happens under the store's lock.
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
from artifacts.leases import Holder, Watch, this_node
from artifacts.store import CURRENT_FILE, LEASE_SUFFIX, VERSIONS_FOLDER, Store, lease_path

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

    Vectors that builds keep for later builds (`embeddings/`) are not deleted either. Where another machine seems to be
    building, this watches for up to a minute whether it is; call it without the lock, for which others would wait.
    """
    watch = Watch(this_node())
    watch.settle(path for path in _hidden(store) if path.suffix == LEASE_SUFFIX)
    with store.locked() as held:
        removals = [_delete(held, path) for path in _entries(held.path / _REMOVED_FOLDER)]
        for path in _hidden(held):
            if path.is_dir() and watch.holder(lease_path(path)) is Holder.NONE:
                removals.append(_remove_building(held, path))
        abandoned = [path for path in _hidden(held) if _is_abandoned(path, watch)]
        return removals + [_delete(held, path) for path in [*abandoned, *_leftovers(held)]]


def _remove_version(store: Store, version: str) -> Removal:
    place = _moved_out(store, store.version_path(version))
    gate_path(store, version).unlink(missing_ok=True)
    return Removal(version, _delete(store, place).freed_bytes)


def _remove_building(store: Store, folder: Path) -> Removal:
    lease_path(folder).unlink(missing_ok=True)  # first, so that the build can tell why its folder is gone
    place = _moved_out(store, folder)
    return Removal(folder.relative_to(store.path).as_posix(), _delete(store, place).freed_bytes)


def _moved_out(store: Store, folder: Path) -> Path:
    """Move a folder of `versions/` into a new folder, and return that one."""
    removed = store.path / _REMOVED_FOLDER
    removed.mkdir(exist_ok=True)
    place = Path(tempfile.mkdtemp(dir=removed))
    store.check_lock()
    os.rename(folder, place / folder.name)
    sync_folder(folder.parent)
    return place


def _hidden(store: Store) -> list[Path]:
    """Return the folders and leases of builds that are running or were killed."""
    return [path for path in _entries(store.path / VERSIONS_FOLDER) if path.name.startswith(".")]


def _is_abandoned(path: Path, watch: Watch) -> bool:
    """Return whether a hidden file is the lease of a build that ended, or was never finished."""
    if path.suffix == LEASE_SUFFIX:
        return not path.with_suffix("").is_dir() and watch.holder(path) is Holder.NONE
    return path.with_suffix("").suffix == LEASE_SUFFIX and path.is_file()  # the store's lock is held


def _leftovers(store: Store) -> Iterator[Path]:
    """Yield the paths of temporary files, and of records of removed versions."""
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
    found = [file.lstat() for file in files if not file.is_dir() or file.is_symlink()]
    freed_bytes = sum(status.st_size for status in found if status.st_nlink == 1)  # others are files of a version too
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    return Removal(path.relative_to(store.path).as_posix(), freed_bytes)
