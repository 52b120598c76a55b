"""What all tests share."""

import pytest

from tests.support.made_once import use_root


@pytest.fixture(scope="session", autouse=True)
def _made_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Name the place of folders that are made once (tests/support/made_once.py)."""
    use_root(tmp_path_factory)
