"""Vectors and indexes that the tests of knn share."""

from collections.abc import Callable

import numpy as np
import pytest

import knn

COUNT, WIDTH, TRAINING_ROWS = 6_000, 32, 1_000


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "gpu: needs a GPU")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if marked and max(knn.gpu_count(), knn.torch_gpu_count()) == 0:
        for item in marked:
            item.add_marker(pytest.mark.skip(reason="no GPU"))


def _unit_vectors(count: int, width: int, seed: int) -> np.ndarray:
    """Vectors of length 1 around 40 centres, half of all cosines negative. Shape (count, width), float32."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(width).standard_normal((40, width))
    vectors = centres[rng.integers(0, 40, count)] + 0.8 * rng.standard_normal((count, width))
    unit: np.ndarray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit.astype(np.float32)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """What is small is fastest with one thread, and clustering is the same every time."""
    knn.set_threads(1)


@pytest.fixture(scope="session")
def unit_vectors() -> Callable[[int, int, int], np.ndarray]:
    return _unit_vectors


@pytest.fixture(scope="session")
def products() -> np.ndarray:
    return _unit_vectors(COUNT, WIDTH, seed=1)


@pytest.fixture(scope="session")
def queries() -> np.ndarray:
    return _unit_vectors(40, WIDTH, seed=2)


@pytest.fixture(scope="session")
def exact(products: np.ndarray, queries: np.ndarray) -> knn.Neighbours:
    return knn.exact_search(products, queries, 60)


@pytest.fixture(scope="session")
def make_index(products: np.ndarray) -> Callable[[str], knn.VectorIndex]:
    """Builds an index of the products by factory string, once for each."""
    built: dict[str, knn.VectorIndex] = {}

    def make(factory: str) -> knn.VectorIndex:
        if factory not in built:
            spec = knn.IndexSpec(factory, TRAINING_ROWS)
            built[factory] = knn.build_index(spec, WIDTH, [products], products[:TRAINING_ROWS])
        return built[factory]

    return make
