"""Processes that change a store as fast as they can, to be run several at once and killed at any moment.

They use what the index builder's commands use, over versions that are too small to hold a model: what is looked at
here is the store.
"""

import ctypes
import shutil
from collections.abc import Callable, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import TypeVar

import numpy as np

from artifacts.errors import StoreError
from artifacts.gate import GateCheck
from artifacts.index_version import finish_index_version, open_index_version
from artifacts.manifest import MANIFEST_FILE, read_manifest
from artifacts.store import Store
from index_builder.versions.gate import Examination
from index_builder.versions.prune import prune_store
from index_builder.versions.publish import record_and_publish
from tests.support.folders import write_hollow_bundle, write_hollow_version
from tests.support.fork_server import FORK_SERVER

Thing = TypeVar("Thing")
Act = Callable[[Store, np.random.Generator], object]


class Worker:
    """A process that does one of these acts at random, again and again, until it is killed."""

    def __init__(self, store: Store, acts: tuple[Act, ...], seed: int) -> None:
        self._done = FORK_SERVER.RawValue(ctypes.c_long, 0)
        self.process: ForkServerProcess = FORK_SERVER.Process(target=_work, args=(store, acts, seed, self._done))
        self.process.start()

    @property
    def done(self) -> int:
        """How many acts it has done."""
        return int(self._done.value)

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.join()


def publish_one(store: Store, rng: np.random.Generator) -> None:
    """The end of `publish`, after the gate looked at the version: passed, refused or forced."""
    version, published = _any_of(rng, store.version_ids()), store.publication().current
    check = GateCheck(name="recall@100", figure=_any_of(rng, [0.9, 0.995]), bound="at least", limit=0.99)
    examination = Examination(version, published, published, None, (), (check,))
    record_and_publish(store, examination, reason="the shop opens at nine")


def roll_back(store: Store, rng: np.random.Generator) -> None:
    """`rollback`."""
    store.rollback()


def prune(store: Store, rng: np.random.Generator) -> None:
    """`prune`."""
    prune_store(store, int(rng.integers(1, 5)))


def build(store: Store, rng: np.random.Generator) -> None:
    """The end of `build`; now and then two choose the same id."""
    source = store.version_path(_any_of(rng, store.version_ids()))
    version = f"v{rng.integers(40)}"
    with store.new_version(version) as folder:
        shutil.copytree(source, folder, dirs_exist_ok=True)
        manifest = read_manifest(folder).model_copy(update={"version": version})
        (folder / MANIFEST_FILE).unlink()
        finish_index_version(folder, manifest)


EVERY_ACT: tuple[Act, ...] = (publish_one, publish_one, roll_back, prune, build)


def hollow_store(path: Path, versions: int = 4) -> Store:
    """A store of whole versions of three products, the first two of them published."""
    bundle = write_hollow_bundle(path.with_name("bundle"))
    for number in range(versions):
        with Store(path).new_version(f"first{number}") as folder:
            write_hollow_version(folder, bundle, f"first{number}")
    Store(path).publish("first0")
    Store(path).publish("first1")
    return Store(path)


def check_whole(store: Store) -> str:
    """Open what the store publishes, every file of it, and give its id."""
    current = store.publication().current
    assert current is not None
    opened = open_index_version(store.version_path(current))
    assert opened.manifest.version == current
    return current


def _work(store: Store, acts: tuple[Act, ...], seed: int, done: "ctypes.c_long") -> None:
    rng = np.random.default_rng(seed)
    while True:
        try:
            _any_of(rng, acts)(store, rng)
        except (StoreError, FileExistsError, FileNotFoundError, OSError) as error:
            if not _is_expected(error):
                raise
        done.value += 1


def _any_of(rng: np.random.Generator, things: Sequence[Thing]) -> Thing:
    return things[rng.integers(len(things))]


def _is_expected(error: Exception) -> bool:
    """Whether another worker was faster: published, built, or removed what this one read."""
    if isinstance(error, StoreError):
        reported = ("is published by now", "has no version", "has a version", "no earlier publication")
        return any(words in str(error) for words in reported)
    return isinstance(error, FileExistsError | FileNotFoundError | shutil.Error) or "not empty" in str(error)
