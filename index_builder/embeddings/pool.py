"""The pool of one product side in a store: every vector that builds have made with it, in shards.

    embeddings/FINGERPRINT/         first 16 digits of the product side's fingerprint
        00000001-000000.shard       see index_builder/embeddings/shard.py
        NAME.plan                   what a build that is running, or was killed, has to encode
        photos-NAME.memory          which content the files of a catalogue had; see index_builder/photos/photo_identity.py

A vector is looked up by its key (index_builder/core/keys.py), so that a build encodes only what no build has encoded yet.
Where a key stands in several shards, the latest counts whose photo could be used; without any, the latest. A build that
keeps the towers' own vectors sees only shards that have them.
"""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from artifacts.errors import StoreError
from artifacts.locks import locked
from index_builder.core.errors import BuildError
from index_builder.core.keys import KeyIndex, Keys, Rows, joined_keys
from index_builder.core.progress import ProgressReporter
from index_builder.embeddings.plan import PLAN_SUFFIX, sequence_of
from index_builder.embeddings.shard import Shard, read_shard
from towers.vector_cache import digest_texts

POOLS_FOLDER = "embeddings"
SHARD_SUFFIX = ".shard"
PHOTO_CACHE_SUFFIX = ".memory"
_LOCK_FILE = ".lock"

Positions = npt.NDArray[np.int64]  # of vectors in a pool, by row of what is looked up; -1 for those it has not


@dataclass(frozen=True, eq=False)
class _Contents:
    """What is kept in memory of a shard."""

    keys: Keys
    failed: npt.NDArray[np.bool_]


class Pool:
    """The vectors of one product side.

    Args:
        folder: of the pool.
        width: D of the vectors.
        with_tower_vectors: whether the vectors of towers are needed too.
    """

    def __init__(self, folder: Path, width: int, *, with_tower_vectors: bool = False) -> None:
        self.folder = folder
        self.width = width
        self.with_tower_vectors = with_tower_vectors
        self._shards: dict[Path, _Contents] = {}
        self._index = KeyIndex(joined_keys([]))
        self._index_order: Rows = np.empty(0, np.int64)  # places of the keys of the index, in its order
        self._failed: npt.NDArray[np.bool_] = np.empty(0, np.bool_)
        self._starts: Rows = np.zeros(1, np.int64)  # place of each shard's first vector, and of the end

    def plan_path(self, source: Path) -> Path:
        """Where the plan for a catalogue, or other source of products, lies."""
        return self.folder / f"{_name_of(source)}{PLAN_SUFFIX}"

    def photo_cache_path(self, photos: Path) -> Path:
        """Where it is remembered what the photos of a folder held."""
        return self.folder / f"photos-{_name_of(photos)}{PHOTO_CACHE_SUFFIX}"

    def read(self, report: ProgressReporter) -> None:
        """Look at the shards that have come since the last time. A damaged one is removed, and it is told."""
        paths = sorted(path for path in self.folder.iterdir() if path.suffix == SHARD_SUFFIX and sequence_of(path))
        for path in paths:
            if path not in self._shards and (shard := self._read_shard(path, report)):
                seen = slice(0 if self.with_tower_vectors and shard.tower_vectors is None else None)
                self._shards[path] = _Contents(np.array(shard.keys[seen]), shard.failed[seen])
        self._shards = {path: self._shards[path] for path in paths if path in self._shards}
        contents = self._shards.values()
        self._failed = np.concatenate([np.empty(0, np.bool_), *(shard.failed for shard in contents)])
        self._index_order = np.argsort(~self._failed, kind="stable")  # those with a photo last, which is what counts
        keys = np.concatenate([joined_keys([]), *(shard.keys for shard in contents)])
        self._index = KeyIndex(keys[self._index_order])
        self._starts = np.cumsum([0, *(len(shard.keys) for shard in contents)])

    def find(self, keys: Keys) -> Positions:
        """Where the vectors of these keys are, -1 for those that are not here. Shape (n,)."""
        found = self._index.find(keys)
        found[found >= 0] = self._index_order[found[found >= 0]]
        return found

    def failed(self, places: Positions) -> npt.NDArray[np.bool_]:
        """Whether the photo could not be used, of what `find` gave. Shape (n,); False for what is not here."""
        failed = np.zeros(len(places), np.bool_)
        failed[places >= 0] = self._failed[places[places >= 0]]
        return failed

    def shards(self, places: Positions, report: ProgressReporter) -> Iterator[tuple[Rows, Shard]]:
        """Read what `find` gave, a shard at a time: the rows of `places`, and in the same order what they have.

        Raises:
            BuildError: a shard was damaged since it was looked at.
        """
        order = np.argsort(places, kind="stable")
        limits = np.searchsorted(places[order], self._starts)
        for path, start, first, after in zip(self._shards, self._starts[:-1], limits[:-1], limits[1:], strict=True):
            rows = order[first:after]
            if not len(rows):
                continue
            shard = self._read_shard(path, report)
            if shard is None:
                raise BuildError(f"{path} was damaged while the build was running; build again")
            yield rows, shard.taken(places[rows] - start)

    def needed_rows(self, keys: Iterable[Keys]) -> Iterator[tuple[Path, Rows, int]]:
        """The rows of each shard that give these keys their vectors, and how many rows it has."""
        needed = np.zeros(len(self._failed), np.bool_)
        for wanted in keys:
            places = self.find(wanted)
            needed[places[places >= 0]] = True
        for path, start, end in zip(self._shards, self._starts[:-1], self._starts[1:], strict=True):
            yield path, np.flatnonzero(needed[start:end]), int(end - start)

    def _read_shard(self, path: Path, report: ProgressReporter) -> Shard | None:
        shard = read_shard(path, self.width)
        if shard is None:
            report(f"{path} is damaged, or of another Vitrine: its products are encoded again")
            path.unlink(missing_ok=True)
        return shard


@contextmanager
def open_pool(store: Path, product_fingerprint: str, width: int, *, with_tower_vectors: bool = False) -> Iterator[Pool]:
    """The pool of a product side, which is made if need be; no other build may use it.

    Raises:
        BuildError: another build with this model is running.
    """
    folder = pool_folder(store, product_fingerprint)
    folder.mkdir(parents=True, exist_ok=True)
    with hold_pool(folder):
        for path in leftovers(folder):
            path.unlink()
        yield Pool(folder, width, with_tower_vectors=with_tower_vectors)


@contextmanager
def hold_pool(folder: Path) -> Iterator[None]:
    """Hold the lock of a pool.

    Raises:
        BuildError: a build that uses it is running.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(folder / _LOCK_FILE, 0))
        except StoreError as error:
            raise BuildError(f"another build with this model is running (it holds {folder}); wait for it") from error
        yield


def pool_folder(store: Path, product_fingerprint: str) -> Path:
    """Where the pool of a product side lies."""
    return store / POOLS_FOLDER / product_fingerprint[:16]


def leftovers(folder: Path) -> list[Path]:
    """Temporary files that a killed build left in a pool, which nobody else may use meanwhile."""
    return sorted(path for path in folder.iterdir() if path.name.startswith(".") and path.name != _LOCK_FILE)


def _name_of(path: Path) -> str:
    return digest_texts([str(path.resolve())])[:16]
