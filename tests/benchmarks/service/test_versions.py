"""That versions made of a set of vectors are what the service loads, and find what exact search finds."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from artifacts.bundle import ModelBundle
from artifacts.index_version import open_index_version
from artifacts.store import Store
from benchmarks.service.versions import copy_version, make_version, repeated
from benchmarks.vectors.ready_set import ready_set
from benchmarks.vectors.vector_sets import VectorSet, open_set
from knn import exact_search
from service.core.device import Device
from service.worker.loaded_version import load_version
from tests.benchmarks.conftest import PRODUCTS, ROWS, SmallShop
from tests.benchmarks.shop import write_catalog
from tests.support.models import QUERIES


def test_products_come_again_under_other_ids() -> None:
    table = pa.table({"title": ["a", "b", "c"], "product_id": ["1", "2", "3"], "price": [1.0, 2.0, 3.0]})
    rows = pa.Table.from_batches(repeated(table, 8), table.schema)
    assert rows["product_id"].to_pylist() == ["1", "2", "3", "1-1", "2-1", "3-1", "1-2", "2-2"]
    assert rows["title"].to_pylist() == ["a", "b", "c", "a", "b", "c", "a", "b"]
    assert rows["price"].to_pylist()[-2:] == [1.0, 2.0]
    assert pa.Table.from_batches(repeated(table, 2), table.schema).equals(table.slice(0, 2))


@pytest.fixture
def made(small_shop: SmallShop) -> tuple[VectorSet, ModelBundle, Path]:
    return small_shop.vectors, small_shop.bundle, small_shop.catalog


@pytest.mark.integration  # exports a query side
def test_a_version_is_one_that_the_service_loads(made: tuple[VectorSet, ModelBundle, Path], tmp_path: Path) -> None:
    vectors, bundle, catalog = made
    store = Store(tmp_path / "store")
    version = make_version(store, vectors, ROWS, "auto", bundle, catalog)
    written = open_index_version(store.version_path(version)).manifest
    assert written.count == ROWS and written.canaries and written.index.reached_target
    assert make_version(store, vectors, ROWS, "auto", bundle, catalog) == version  # it is there
    copy = copy_version(store, version)
    assert copy_version(store, version) == copy != version
    assert store.version_ids() == sorted([version, copy])
    assert open_index_version(store.version_path(copy)).manifest.version == copy
    for name in (version, copy):
        loaded = load_version(store, name, device=Device.CPU, encoder_threads=1)
        asked = loaded.encoder.encode(QUERIES)
        found = loaded.search(asked, 10)
        exact = exact_search(vectors.vectors(ROWS), asked, 10)
        np.testing.assert_allclose(found.scores, exact.scores, atol=1e-5)
        assert loaded.product_rows.row_of("p3-1") == PRODUCTS + 3
    assert (vectors.folder / "vectors.npy").is_file()


@pytest.mark.integration
def test_a_set_is_taken_as_it_is_or_refused(made: tuple[VectorSet, ModelBundle, Path], tmp_path: Path) -> None:
    vectors, bundle, catalog = made
    assert ready_set(vectors.folder, ROWS - 1, bundle.path, catalog).rows == ROWS
    with pytest.raises(ValueError, match="holds 1,500 vectors, not 1,501; delete it"):
        ready_set(vectors.folder, ROWS + 1, bundle.path, catalog)
    other = write_catalog(tmp_path / "other", PRODUCTS + 1)
    with pytest.raises(ValueError, match="of another model or catalogue; delete it"):
        ready_set(vectors.folder, ROWS, bundle.path, other)
    assert open_set(vectors.folder).rows == ROWS
