"""What all tests share."""

import os

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
