"""Several programs at one store, and programs killed at any moment: what is published always loads, whole."""

import time
from pathlib import Path

import numpy as np
import pytest

from artifacts.errors import ArtifactError
from artifacts.gate import read_gate_record
from artifacts.index_version import open_index_version
from artifacts.removal import remove_leftovers
from artifacts.store import Store
from tests.support.store_workers import (
    EVERY_ACT,
    Worker,
    build,
    check_whole,
    hollow_store,
    prune,
    publish_one,
    roll_back,
)

pytestmark = pytest.mark.integration
SECONDS = 4.0


def _read_until(store: Store, stop_at: float) -> set[str]:
    """Load what is published, again and again. A version that is exchanged and pruned meanwhile is no fault."""
    seen = set[str]()
    while time.monotonic() < stop_at:
        written = _written(store)
        try:
            seen.add(check_whole(store))
        except (ArtifactError, OSError) as error:
            assert _written(store) != written, f"what is published is not: {error}"
    return seen


def _written(store: Store) -> tuple[int, int, int]:
    """What changes when CURRENT is written: its time too, since a new file may get the number of one before."""
    status = (store.path / "CURRENT").stat()
    return status.st_ino, status.st_mtime_ns, status.st_size


def _check_sound(store: Store) -> None:
    """Everything in a store is whole, and nothing is left over."""
    check_whole(store)
    for version in store.version_ids():
        assert open_index_version(store.version_path(version)).manifest.version == version
        read_gate_record(store, version)
    remove_leftovers(store)
    folders = {"versions": set(store.version_ids()), ".removed": set[str]()}
    for name, expected in folders.items():
        folder = store.path / name
        assert {entry.name for entry in folder.iterdir()} <= expected if folder.is_dir() else True
    assert {entry.name for entry in store.path.iterdir()} <= {"CURRENT", ".lock", ".removed", "gate", "versions"}


def test_programs_that_change_a_store_at_once(tmp_path: Path) -> None:
    store = hollow_store(tmp_path / "store")
    acts = [(publish_one,), (publish_one,), (roll_back, publish_one), (prune,), (build,), (build,)]
    workers = [Worker(store, act, seed) for seed, act in enumerate(acts)]
    try:
        _wait_for(workers)
        seen = _read_until(store, time.monotonic() + SECONDS)
        assert all(worker.process.is_alive() for worker in workers), "a worker failed; its traceback is above"
    finally:
        for worker in workers:
            worker.kill()
    assert len(seen) > 2, "the reader saw no change"
    _check_sound(store)


def test_kills_at_twenty_moments_leave_a_store_that_loads(tmp_path: Path) -> None:
    store, rng = hollow_store(tmp_path / "store"), np.random.default_rng(6)
    seen = set[str]()
    for seed in range(20):
        worker = Worker(store, EVERY_ACT, seed)
        try:
            _wait_for([worker], acts=3)
            time.sleep(rng.uniform(0, 0.05))
        finally:
            worker.kill()
        assert worker.process.exitcode == -9, "the worker failed; its traceback is above"
        seen.add(check_whole(store))
    assert len(seen) > 2, "the workers changed next to nothing"
    _check_sound(store)


def _wait_for(workers: list[Worker], acts: int = 1) -> None:
    """Until each has done so many acts."""
    give_up_at = time.monotonic() + 60
    while not all(worker.done >= acts for worker in workers):
        assert all(worker.process.is_alive() for worker in workers), "a worker failed; its traceback is above"
        assert time.monotonic() < give_up_at, "a worker does not begin"
        time.sleep(0.002)
