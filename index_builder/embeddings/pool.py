"""The pool of one product side in a store: every vector that builds have made with it, in shards.

    embeddings/FINGERPRINT/         first 16 digits of the product side's fingerprint
        00000001-000000.shard       vectors, see index_builder/embeddings/shard.py
        NAME.plan                   what a running or killed build has to encode
        photos.retries              how often photos failed, see index_builder/embeddings/retries.py
        photos-NAME.memory          cache of photo identities, see index_builder/photos/photo_identity.py

A vector is looked up by its key (index_builder/core/keys.py), so that a build encodes only what no build has encoded
before. Of a key in several shards the one with the fewest photos that could not be used counts, of equal ones the
latest. A build that keeps tower vectors ignores shards without them.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from artifacts.leases import Lease
from index_builder.core.errors import BuildError
from index_builder.core.keys import KeyIndex, Keys, Rows, joined_keys
from index_builder.core.progress import ProgressReporter
from index_builder.embeddings.plan import PLAN_SUFFIX, sequence_of
from index_builder.embeddings.pool_lock import LOCK_FOLDER, hold_pool
from index_builder.embeddings.shard import Shard, read_shard
from towers.vector_cache import digest_texts

POOLS_FOLDER = "embeddings"
SHARD_SUFFIX = ".shard"
PHOTO_CACHE_SUFFIX = ".memory"
RETRIES_FILE = "photos.retries"

Positions = npt.NDArray[np.int64]  # of vectors in a pool; -1 for vectors that it lacks


@dataclass(frozen=True, eq=False)
class _Contents:
    """The part of a shard that is kept in memory."""

    keys: Keys
    failures: npt.NDArray[np.int64]
    passing: npt.NDArray[np.bool_]


class Pool:
    """Looks up the vectors of one product side.

    Args:
        folder: folder of the pool.
        width: D of the vectors.
        with_tower_vectors: whether tower vectors are needed too.
        lease: the pool's lock, which is checked before shards are read that this program may have written.
    """

    def __init__(
        self, folder: Path, width: int, *, with_tower_vectors: bool = False, lease: Lease | None = None
    ) -> None:
        self.folder = folder
        self.width = width
        self.with_tower_vectors = with_tower_vectors
        self.lease = lease
        self._shards: dict[Path, _Contents] = {}
        self._index = KeyIndex(joined_keys([]))
        self._index_order: Rows = np.empty(0, np.int64)  # positions of the keys of the index, in its order
        self._failures: npt.NDArray[np.int64] = np.empty(0, np.int64)
        self._passing: npt.NDArray[np.bool_] = np.empty(0, np.bool_)
        self._starts: Rows = np.zeros(1, np.int64)  # position of each shard's first vector, and the end

    def plan_path(self, source: Path) -> Path:
        """Return the path of the plan for a catalogue or other source of products."""
        return self.folder / f"{_name_of(source)}{PLAN_SUFFIX}"

    @property
    def retries_path(self) -> Path:
        """The path of the counts of nights on which photos failed."""
        return self.folder / RETRIES_FILE

    def photo_cache_path(self, photos: Path) -> Path:
        """Return the path of the cache of photo identities of a folder."""
        return self.folder / f"photos-{_name_of(photos)}{PHOTO_CACHE_SUFFIX}"

    def read(self, report: ProgressReporter) -> None:
        """Read the shards that are new since the last call; a damaged shard is reported and removed.

        Raises:
            StoreError: another machine has taken over the pool's lock.
        """
        if self.lease:
            self.lease.check()
        paths = sorted(path for path in self.folder.iterdir() if path.suffix == SHARD_SUFFIX and sequence_of(path))
        for path in paths:
            if path not in self._shards and (shard := self._read_shard(path, report)):
                seen = slice(0 if self.with_tower_vectors and shard.tower_vectors is None else None)
                self._shards[path] = _Contents(np.array(shard.keys[seen]), shard.failures[seen], shard.passing[seen])
        self._shards = {path: self._shards[path] for path in paths if path in self._shards}
        contents = self._shards.values()
        self._failures = np.concatenate([np.empty(0, np.int64), *(shard.failures for shard in contents)])
        self._passing = np.concatenate([np.empty(0, np.bool_), *(shard.passing for shard in contents)])
        # Rows with the fewest failures come last, and the last row of a key counts.
        self._index_order = np.argsort(-self._failures, kind="stable")
        keys = np.concatenate([joined_keys([]), *(shard.keys for shard in contents)])
        self._index = KeyIndex(keys[self._index_order])
        self._starts = np.cumsum([0, *(len(shard.keys) for shard in contents)])

    def find(self, keys: Keys) -> Positions:
        """Return the positions of the vectors of these keys, -1 where the pool lacks one. Shape (n,)."""
        found = self._index.find(keys)
        found[found >= 0] = self._index_order[found[found >= 0]]
        return found

    def failed(self, positions: Positions) -> npt.NDArray[np.bool_]:
        """Return whether a photo at each position could not be used; False for -1. Shape (n,)."""
        failed = np.zeros(len(positions), np.bool_)
        failed[positions >= 0] = self._failures[positions[positions >= 0]] > 0
        return failed

    def failed_for_now(self, positions: Positions) -> npt.NDArray[np.bool_]:
        """Return whether a photo at each position failed for a reason that may pass; False for -1. Shape (n,)."""
        passing = np.zeros(len(positions), np.bool_)
        passing[positions >= 0] = self._passing[positions[positions >= 0]]
        return passing

    def shards(self, positions: Positions, report: ProgressReporter) -> Iterator[tuple[Rows, Shard]]:
        """Read the vectors at these positions, a shard at a time.

        Yields:
            Rows of `positions`, and in the same order what the shard has for them.

        Raises:
            BuildError: a shard was damaged or replaced since it was read first.
        """
        order = np.argsort(positions, kind="stable")
        limits = np.searchsorted(positions[order], self._starts)
        for path, start, first, after in zip(self._shards, self._starts[:-1], limits[:-1], limits[1:], strict=True):
            rows = order[first:after]
            if not len(rows):
                continue
            shard = self._read_shard(path, report)
            if shard is None or not np.array_equal(shard.keys, self._shards[path].keys):
                raise BuildError(f"{path} was damaged or replaced while the build was running; build again")
            yield rows, shard.taken(positions[rows] - start)

    def needed_rows(self, keys: Iterable[Keys]) -> Iterator[tuple[Path, Rows, int]]:
        """Yield for each shard its path, its rows that hold the vectors of these keys, and its number of rows."""
        needed = np.zeros(len(self._failures), np.bool_)
        for wanted in keys:
            positions = self.find(wanted)
            needed[positions[positions >= 0]] = True
        for path, start, end in zip(self._shards, self._starts[:-1], self._starts[1:], strict=True):
            yield path, np.flatnonzero(needed[start:end]), int(end - start)

    def _read_shard(self, path: Path, report: ProgressReporter) -> Shard | None:
        shard = read_shard(path, self.width)
        if shard is None:
            report(f"{path} is damaged, or was written by another release of Vitrine: its products are encoded again")
            path.unlink(missing_ok=True)
        return shard


@contextmanager
def open_pool(
    store: Path,
    product_fingerprint: str,
    width: int,
    *,
    with_tower_vectors: bool = False,
    wait_minutes: float = 0.0,
    report: ProgressReporter = lambda line: None,
) -> Iterator[Pool]:
    """Open the pool of a product side, which is created where it is missing; no other build may use it meanwhile.

    Args:
        store: folder of the store.
        product_fingerprint: fingerprint of the product side.
        width: D of the vectors.
        with_tower_vectors: whether tower vectors are needed too.
        wait_minutes: how long to wait for another build.
        report: receives a line now and then while it waits.

    Raises:
        BuildError: another build with this model is running.
    """
    folder = pool_folder(store, product_fingerprint)
    folder.mkdir(parents=True, exist_ok=True)
    with hold_pool(folder, wait_minutes, report) as lease:
        for path in temporary_files(folder):
            path.unlink()
        yield Pool(folder, width, with_tower_vectors=with_tower_vectors, lease=lease)


def pool_folder(store: Path, product_fingerprint: str) -> Path:
    """Return the folder of the pool of a product side."""
    return store / POOLS_FOLDER / product_fingerprint[:16]


def temporary_files(folder: Path) -> list[Path]:
    """Return temporary files that a killed build left in a pool; the pool must be locked."""
    return sorted(path for path in folder.iterdir() if path.name.startswith(".") and path.name != LOCK_FOLDER)


def _name_of(path: Path) -> str:
    return digest_texts([str(path.resolve())])[:16]
