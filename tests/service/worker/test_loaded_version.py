"""Versions on disk to versions in memory: good ones answer exactly, bad ones say why not."""

import gc
import json
import shutil
import weakref
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from artifacts.store import Store
from knn import exact_search, gpu_count, torch_gpu_count
from service.core.device import Device
from service.core.errors import UnknownVersionError, VersionRefusedError
from service.worker import loaded_version
from service.worker.hit_table import HitTable
from service.worker.loaded_version import LoadedVersion, load_version
from tests.service.shop import PRODUCTS, QUERIES, WIDTH, Shop, save_query_side


def load(store: Path, version_id: str, device: Device = Device.CPU) -> LoadedVersion:
    return load_version(Store(store), version_id, device=device, encoder_threads=1)


def test_a_good_version_searches_exactly(good_store: Path, shop: Shop) -> None:
    version = load(good_store, "v1")
    vectors = version.encoder.encode(QUERIES)
    found, expected = version.search(vectors, 20), exact_search(shop.vectors(), vectors, 20)
    np.testing.assert_array_equal(found.rows, expected.rows)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-6)
    assert (version.count, version.index_device) == (PRODUCTS, Device.CPU)


def test_a_k_beyond_the_count_is_cut(good_store: Path) -> None:
    version = load(good_store, "v1")
    assert version.search(version.encoder.encode(["hat"]), 1000).rows.shape == (1, PRODUCTS)


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def edit_manifest(path: Path, **fields: object) -> None:
    file = path / "manifest.json"
    file.write_text(json.dumps(json.loads(file.read_bytes()) | fields))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda path: flip_a_bit(path / "index.faiss"), "versions/copy/index.faiss: expected SHA-256 .* damaged"),
        (lambda path: flip_a_bit(path / "products.parquet"), "versions/copy/products.parquet .* damaged"),
        (lambda path: flip_a_bit(path / "query" / "encoder.onnx"), "copy/query/encoder.onnx .* damaged"),
        (lambda path: (path / "query" / "side.json").unlink(), "copy/query/side.json is missing"),
        (lambda path: (path / "manifest.json").unlink(), "copy is no index version: it has no manifest.json"),
        (lambda path: edit_manifest(path, schema_version=99), "copy/manifest.json has schema version 99"),
        (
            lambda path: edit_manifest(path, width=16),
            "copy/manifest.json does not match the checksum of its content .* damaged",
        ),
    ],
)
def test_damage_is_refused(tmp_path: Path, good_store: Path, damage: Callable[[Path], None], reason: str) -> None:
    path = tmp_path / "versions" / "copy"
    shutil.copytree(good_store / "versions" / "v1", path)
    load(tmp_path, "copy")
    damage(path)
    with pytest.raises(VersionRefusedError, match=f"^version copy: .*{reason}") as caught:
        load(tmp_path, "copy")
    assert str(tmp_path) not in str(caught.value)


def test_an_index_of_fewer_products_is_refused(tmp_path: Path, shop: Shop) -> None:
    shop.add_version(tmp_path, "short", vectors=shop.vectors()[:-1])
    with pytest.raises(VersionRefusedError, match="products: 90 by the manifest, 89 by the index"):
        load(tmp_path, "short")


def test_another_models_query_side_is_refused(tmp_path: Path, shop: Shop) -> None:
    other = tmp_path / "other"
    shutil.copytree(shop.query_folder, other)
    save_query_side(other, seed=2, export=False)
    shop.add_version(tmp_path, "mixed", query_folder=other)
    with pytest.raises(VersionRefusedError, match=r"the query side has fingerprint .* build the index again"):
        load(tmp_path, "mixed")


def test_vectors_of_another_width_are_refused(tmp_path: Path, shop: Shop) -> None:
    shop.add_version(tmp_path, "wide", vectors=np.ones((PRODUCTS, 2 * WIDTH), dtype=np.float32))
    with pytest.raises(VersionRefusedError, match="width: 32 by the manifest, 64 by the index"):
        load(tmp_path, "wide")


def test_vectors_of_another_model_are_refused_by_the_canaries(tmp_path: Path, shop: Shop) -> None:
    vectors = np.random.default_rng(0).normal(size=(PRODUCTS, WIDTH)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    shop.add_version(tmp_path, "foreign", vectors=vectors)
    with pytest.raises(VersionRefusedError) as caught:
        load(tmp_path, "foreign")
    assert "version foreign: its canary queries find " in str(caught.value)
    assert "expected at least 80%; the worst is " in str(caught.value)


def test_a_refused_version_leaves_memory(tmp_path: Path, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[weakref.ref[HitTable]] = []

    class WatchedHitTable(HitTable):
        def __init__(self, products: object) -> None:
            super().__init__(products)
            made.append(weakref.ref(self))

    monkeypatch.setattr(loaded_version, "HitTable", WatchedHitTable)
    shop.add_version(tmp_path, "foreign", vectors=shop.vectors()[::-1].copy())
    gc.disable()
    try:
        with pytest.raises(VersionRefusedError) as caught:  # `caught` keeps the error and its traceback
            load(tmp_path, "foreign")
        assert "canary" in str(caught.value)
        assert len(made) == 1
        assert made[0]() is None
    finally:
        gc.enable()


def test_a_version_without_canaries_is_served_with_a_warning(
    tmp_path: Path, shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    shop.add_version(tmp_path, "v1", canaries=False)
    assert load(tmp_path, "v1").count == PRODUCTS
    assert "event=no_canaries version=v1" in caplog.text


@pytest.mark.parametrize("version_id", ["v9", "../v1", "", "/etc", "v1/", ".v1"])
def test_unknown_versions(good_store: Path, version_id: str) -> None:
    with pytest.raises(UnknownVersionError) as caught:
        load(good_store, version_id)
    assert str(good_store) not in str(caught.value)


@pytest.mark.skipif(max(gpu_count(), torch_gpu_count()) > 0, reason="there is a GPU, which takes it")
def test_where_there_is_no_gpu_a_demanded_one_is_refused_and_a_free_choice_is_the_cpu(good_store: Path) -> None:
    with pytest.raises(VersionRefusedError, match="its encoder cannot run on cuda:0, which VITRINE_DEVICE demands: "):
        load(good_store, "v1", Device(gpu=0, required=True))
    version = load(good_store, "v1", Device(gpu=0))
    assert (version.encoder_device, version.index_device) == (Device.CPU, Device.CPU)
    assert version.search(version.encoder.encode(QUERIES), 10).rows.shape == (len(QUERIES), 10)


@pytest.mark.gpu
@pytest.mark.skipif(gpu_count() == 0, reason="no GPU")
def test_on_a_gpu_the_same_products_are_found(good_store: Path) -> None:
    on_cpu, on_gpu = load(good_store, "v1"), load(good_store, "v1", Device(gpu=0))
    expected = on_cpu.search(on_cpu.encoder.encode(QUERIES), 10)
    found = on_gpu.search(on_gpu.encoder.encode(QUERIES), 10)
    np.testing.assert_allclose(found.scores, expected.scores, atol=5e-3)  # half precision in the encoder
    assert str(on_gpu.index_device) == "cuda:0"
