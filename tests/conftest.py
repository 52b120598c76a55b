"""What all tests share."""

import gc
import os
from collections.abc import Generator

# Tests run in a process for each core, so that threads of torch, FAISS and OpenBLAS would only wait for each other.
# This stands before anything imports them, and reaches the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import httpx
import pytest

from tests.service.waiting import WAIT_SECONDS
from tests.support.made_once import use_root

# The default of 5 s for requests without a timeout of their own is too short on a busy machine.
httpx._config.DEFAULT_TIMEOUT_CONFIG.read = WAIT_SECONDS
httpx._config.DEFAULT_TIMEOUT_CONFIG.connect = WAIT_SECONDS


@pytest.fixture(scope="session", autouse=True)
def _made_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Name the place of folders that are made once (tests/support/made_once.py)."""
    use_root(tmp_path_factory)


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
