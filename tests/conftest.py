"""What all tests share."""

import os

# Tests run in a process for each core, so that threads of torch, FAISS and OpenBLAS would only wait for each other.
# This stands before anything imports them, and reaches the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

from tests.support.made_once import use_root


@pytest.fixture(scope="session", autouse=True)
def _made_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Name the place of folders that are made once (tests/support/made_once.py)."""
    use_root(tmp_path_factory)
