"""What all tests share."""

import gc
import os
from collections.abc import Generator
from pathlib import Path

# Tests run in a process for each core, so that threads of torch, FAISS and OpenBLAS would only wait for each other.
# This stands before anything imports them, and reaches the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import httpx
import pytest

from artifacts.cores import usable_cores
from tests.service.waiting import WAIT_SECONDS
from tests.support.made_once import use_root

ROOT = Path(__file__).parents[1]

# The default of 5 s for requests without a timeout of their own is too short on a busy machine.
httpx._config.DEFAULT_TIMEOUT_CONFIG.read = WAIT_SECONDS
httpx._config.DEFAULT_TIMEOUT_CONFIG.connect = WAIT_SECONDS


@pytest.fixture(scope="session", autouse=True)
def _made_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Name the place of folders that are made once (tests/support/made_once.py)."""
    use_root(tmp_path_factory)


MEMORY_OF_A_PROCESS = 4 << 30  # with the programs that its tests start

# Files that take longest, in this order. They are begun first, so that none of them is left when the other processes of
# tests have nothing to do any more.
LONGEST_FILES = (
    "tests/index_builder/embeddings/test_ray_engine.py",
    "tests/service/web/test_accessibility.py",
    "tests/training/fitting/test_fit.py",
    "tests/service/test_swaps_under_load.py",
    "tests/service/web/test_compare.py",
    "tests/service/test_fuzzing.py",
    "tests/training/experiments/test_all_rows.py",
    "tests/benchmarks/soak/test_faults.py",
    "tests/benchmarks/test_bench_index.py",
    "tests/service/web/test_why.py",
    "tests/service/test_server.py",
    "tests/vitrine/test_up.py",
    "tests/service/web/test_search.py",
    "tests/benchmarks/test_bench_sizes.py",
    "tests/index_builder/cli/test_app.py",
    "tests/training/fitting/test_devices.py",
)


def pytest_xdist_auto_num_workers() -> int:
    """Return the number of processes of tests: two for each core, since many tests wait, where the memory allows it."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(usable_cores(), min(2 * usable_cores(), memory // MEMORY_OF_A_PROCESS))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first; all others keep their order."""
    places = {ROOT / file: place for place, file in enumerate(LONGEST_FILES)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Import what tests need without looking for garbage in it, which would take a quarter of the time, then or later.

    These are millions of objects, of torch above all, and they stay.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()
        # Python looks for garbage whenever 700 objects are new, and an export of torch makes millions.
        gc.set_threshold(20_000)
