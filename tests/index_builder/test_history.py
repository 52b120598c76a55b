"""Products' history in builds: added after the pool, for those that have one, and only if it is wanted."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from artifacts.bundle import CARD_FILE, PRODUCT_SIDE, finish_bundle, open_bundle
from artifacts.catalog import read_catalog
from artifacts.history import ProductHistory, write_history
from artifacts.index_version import open_index_version
from artifacts.store import Store
from index_builder.build import BuildRequest, build_version
from index_builder.index.indexing import IndexRequest
from index_builder.update import UpdateRequest, update_version
from index_builder.versions.verify import verify_version
from tests.index_builder.test_update import vectors_of

FLAT = IndexRequest("Flat")
KNOWN = slice(20, 260)  # rows of products with a history


@pytest.fixture(scope="module")
def with_history(mixed_bundle: Path, catalog: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The mixed bundle with a history of most products, and of one that the catalogue lacks."""
    plain, folder = open_bundle(mixed_bundle), tmp_path_factory.mktemp("known") / "known"
    shutil.copytree(mixed_bundle, folder)
    (folder / CARD_FILE).unlink()
    ids = [*read_catalog(catalog).product_ids[KNOWN], "gone"]
    vectors = np.random.default_rng(8).normal(size=(len(ids), plain.card.width)) / 20
    write_history(folder / PRODUCT_SIDE, ProductHistory(pa.array(ids), vectors.astype(np.float16)))
    finish_bundle(folder, plain.card.origin, plain.held_out_queries())
    return folder


@pytest.fixture(scope="module")
def store(with_history: Path, mixed_bundle: Path, catalog: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Versions of a bundle without history, of one with it, and of that one with its history left out."""
    path = tmp_path_factory.mktemp("store")
    build_version(BuildRequest(mixed_bundle, catalog, path, "plain", FLAT))
    build_version(BuildRequest(with_history, catalog, path, "known", FLAT))
    left_out = build_version(BuildRequest(with_history, catalog, path, "left-out", FLAT, history=False))
    assert left_out.encoded == 0  # the pool has vectors without history
    return path


def test_vectors_are_those_of_the_content_and_the_history(store: Path, with_history: Path, catalog: Path) -> None:
    versions = {name: store / "versions" / name for name in ("plain", "known", "left-out")}
    plain, known = vectors_of(versions["plain"]), vectors_of(versions["known"])
    sums = plain.copy()
    sums[KNOWN] += pq.read_table(with_history / PRODUCT_SIDE / "history.parquet")["vector"].to_pylist()[:-1]
    np.testing.assert_allclose(known, sums / np.linalg.norm(sums, axis=1, keepdims=True), atol=1e-6)
    np.testing.assert_array_equal(vectors_of(versions["left-out"]), plain)
    counts = {name: open_index_version(path).manifest.with_history for name, path in versions.items()}
    assert counts == {"plain": None, "known": 240, "left-out": None}


@pytest.mark.parametrize("base", ["known", "left-out"])
def test_an_update_is_as_its_base(base: str, store: Path, with_history: Path, catalog: Path, tmp_path: Path) -> None:
    product = read_catalog(catalog).table.slice(30, 1).to_pylist()[0]  # with a history
    changes = pa.Table.from_pylist([{**product, "price": 1.0, "change": "upsert"}])
    pq.write_table(changes, tmp_path / "changes.parquet")
    request = UpdateRequest(with_history, tmp_path / "changes.parquet", store, base, f"{base}-new")
    built = update_version(request)
    verify_version(Store(store), f"{base}-new")
    np.testing.assert_allclose(vectors_of(built.path), vectors_of(store / "versions" / base), atol=1e-6)
    assert built.manifest.with_history == (240 if base == "known" else None)
