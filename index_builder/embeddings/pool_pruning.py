"""Removes vectors that no version needs from the pools of a store."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np

from artifacts.checksums import verify_files
from artifacts.errors import ArtifactError
from artifacts.index_version import KEYS_FILE, TOWER_VECTORS_FILE
from artifacts.manifest import Manifest, read_manifest
from artifacts.removal import Removal
from artifacts.store import Store
from index_builder.core.errors import BuildError
from index_builder.core.keys import Keys, Rows
from index_builder.embeddings.plan import PLAN_SUFFIX, sequence_of
from index_builder.embeddings.pool import (
    PHOTO_CACHE_SUFFIX,
    POOLS_FOLDER,
    RETRIES_FILE,
    SHARD_SUFFIX,
    Pool,
    pool_folder,
    temporary_files,
)
from index_builder.embeddings.pool_lock import hold_pool
from index_builder.embeddings.shard import read_shard, write_shard

_LEAST_NEEDED = 0.5  # share of a shard; below it the shard is rewritten with its needed rows only


def prune_pools(store: Store) -> list[Removal]:
    """Remove the vectors that no version needs; return what was removed, by pool.

    Vectors of a running build, and of a killed one that may be continued, stay. Nothing is removed from a pool that is
    in use, nor where a version cannot be read.
    """
    pools = store.path / POOLS_FOLDER
    folders = sorted(pools.iterdir()) if pools.is_dir() else []
    removals = [_prune_pool(store, folder) for folder in folders if folder.is_dir()]
    return [removal for removal in removals if removal.freed_bytes]


def _prune_pool(store: Store, folder: Path) -> Removal:
    before = _size(folder)
    try:
        with hold_pool(folder):
            for path in temporary_files(folder):
                path.unlink()
            _remove_shards(folder, _needed(store).get(folder, []))  # the lock keeps builds from adding a version
    except (BuildError, ArtifactError, OSError, ValueError):  # in use, or a version is damaged
        pass
    return Removal(folder.relative_to(store.path).as_posix(), before - _size(folder))


def _needed(store: Store) -> dict[Path, list[tuple[Manifest, Keys]]]:
    """Return, for each pool, the manifests and keys of the versions that use it.

    Raises:
        ArtifactError: a version is damaged, or was written by another release of Vitrine.
    """
    needed = defaultdict[Path, list[tuple[Manifest, Keys]]](list)
    for version in store.version_ids():
        path = store.version_path(version)
        manifest = read_manifest(path)
        if KEYS_FILE in manifest.files:
            verify_files(path, {KEYS_FILE: manifest.files[KEYS_FILE]})
            keys = np.load(path / KEYS_FILE, allow_pickle=False)
            needed[pool_folder(store.path, manifest.model.product_fingerprint)].append((manifest, keys))
    return needed


def _remove_shards(folder: Path, needed: list[tuple[Manifest, Keys]]) -> None:
    """Remove shards that neither a version needs nor a plan that may be continued."""
    planned = {sequence_of(path) for path in folder.iterdir() if path.suffix == PLAN_SUFFIX}
    if not needed:
        unused = [path for path in folder.iterdir() if path.suffix == SHARD_SUFFIX and sequence_of(path) not in planned]
        for path in unused + ([] if planned else [*folder.glob(f"*{PHOTO_CACHE_SUFFIX}"), *folder.glob(RETRIES_FILE)]):
            path.unlink()
        return
    width = needed[0][0].width
    for path, rows, count in _needed_rows(folder, width, needed):
        shard = read_shard(path, width) if 0 < len(rows) < _LEAST_NEEDED * count else None
        if sequence_of(path) in planned:
            continue
        if not len(rows):
            path.unlink()
        elif shard:
            write_shard(path, shard.taken(rows))


def _needed_rows(folder: Path, width: int, needed: list[tuple[Manifest, Keys]]) -> Iterator[tuple[Path, Rows, int]]:
    """Yield for each shard its path, the rows that some version needs, and its number of rows.

    Versions with and without tower vectors may use different shards for the same product.
    """
    keys_by_kind = defaultdict[bool, list[Keys]](list)
    for manifest, keys in needed:
        keys_by_kind[TOWER_VECTORS_FILE in manifest.files].append(keys)
    pools = {
        with_tower_vectors: Pool(folder, width, with_tower_vectors=with_tower_vectors)
        for with_tower_vectors in keys_by_kind
    }
    for pool in pools.values():
        pool.read(lambda line: None)
    found = zip(
        *(pool.needed_rows(keys_by_kind[with_tower_vectors]) for with_tower_vectors, pool in pools.items()), strict=True
    )
    for seen in found:
        paths, rows, counts = zip(*seen, strict=True)
        yield paths[0], np.unique(np.concatenate(rows)), max(counts)


def _size(folder: Path) -> int:
    size = 0
    for path in folder.iterdir():
        with suppress(FileNotFoundError):  # a running build has removed it
            size += path.stat().st_size if path.is_file() else 0
    return size
