"""Fixtures of the service's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from artifacts.store import Store
from tests.service.photo_shop import PhotoShop, make_photo_shop
from tests.service.running import Running, running_service
from tests.service.shop import Shop, save_query_side


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker here too, for runs of these tests alone."""
    config.addinivalue_line("markers", "integration: uses a socket or a process of its own")


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """The model, exported once."""
    folder = tmp_path_factory.mktemp("model") / "query"
    save_query_side(folder, seed=1)
    return Shop(folder)


@pytest.fixture(scope="session")
def good_store(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the versions v1 (published; ids p...) and v2 (ids q...). Tests only read it."""
    store = tmp_path_factory.mktemp("store")
    shop.add_version(store, "v1", prefix="p")
    shop.add_version(store, "v2", prefix="q")
    Store(store).publish("v1")
    return store


@pytest.fixture(scope="session")
def served(good_store: Path) -> Iterator[Running]:
    """A service of v1 that tests share; they search and read, and change nothing."""
    with running_service(good_store) as running:
        yield running


@pytest.fixture(scope="session")
def alpha_shop(tmp_path_factory: pytest.TempPathFactory) -> PhotoShop:
    """A shop whose model concatenates title and photo by weight."""
    return make_photo_shop(tmp_path_factory.mktemp("alpha"), "alpha")
