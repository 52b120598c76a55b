"""Vectors of towers in a version: those of each product alone, kept only where they are needed and asked for."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from artifacts.bundle import CARD_FILE, finish_bundle, open_bundle
from artifacts.index_version import INDEX_FILE, TOWER_VECTORS_FILE, open_index_version
from artifacts.store import Store
from index_builder.build import BuildRequest, build_version
from index_builder.core.errors import BuildError
from index_builder.embeddings.embed import EncodingOptions
from index_builder.index.indexing import IndexRequest
from index_builder.new_version import BuiltVersion
from index_builder.update import UpdateRequest, update_version
from index_builder.versions.verify import verify_version
from tests.index_builder.embedding import embed_shop
from tests.index_builder.embeddings.test_embed import Stop, stop_after
from tests.support.models import forget_towers, tiny_bundle
from towers.side_encoder import SideEncoder
from towers.storage import load_side
from towers.tokens import read_tokenizers

FLAT = IndexRequest("Flat")
SHARDS = EncodingOptions(shard_rows=100)
ROUNDING = 1e-3  # of half precision


def build(
    bundle: Path, catalog: Path, store: Path, version: str, explain: bool = True, **reported: Any
) -> BuiltVersion:
    return build_version(BuildRequest(bundle, catalog, store, version, FLAT, SHARDS, explain), **reported)


def towers_of(version: Path) -> np.ndarray:
    towers = open_index_version(version).open_tower_vectors()
    assert towers is not None
    return np.array(towers)


def test_each_row_is_that_of_its_product_alone(
    mixed_bundle: Path, catalog: Path, slow_tower_vectors: np.ndarray, tmp_path: Path
) -> None:
    built = build(mixed_bundle, catalog, tmp_path, "v")
    assert built.manifest.files[TOWER_VECTORS_FILE].size_bytes == 128 + 300 * 56 * 2
    np.testing.assert_allclose(towers_of(built.path), slow_tower_vectors, atol=ROUNDING)
    assert np.isnan(slow_tower_vectors).any(axis=1).sum() == 6
    verify_version(Store(tmp_path), "v")


def test_the_rest_of_the_version_is_the_same(mixed_bundle: Path, catalog: Path, tmp_path: Path) -> None:
    plain = build(mixed_bundle, catalog, tmp_path / "plain", "v", explain=False)
    explained = build(mixed_bundle, catalog, tmp_path / "explained", "v")
    assert (explained.path / INDEX_FILE).read_bytes() == (plain.path / INDEX_FILE).read_bytes()
    assert explained.manifest.files.keys() - plain.manifest.files.keys() == {TOWER_VECTORS_FILE}
    assert explained.manifest.photos == plain.manifest.photos


def test_only_what_the_pool_lacks_is_encoded(
    mixed_bundle: Path, catalog: Path, slow_tower_vectors: np.ndarray, tmp_path: Path
) -> None:
    assert build(mixed_bundle, catalog, tmp_path, "plain", explain=False).encoded == 300
    assert build(mixed_bundle, catalog, tmp_path, "first").encoded == 300
    assert build(mixed_bundle, catalog, tmp_path, "second").encoded == 0
    assert build(mixed_bundle, catalog, tmp_path, "third", explain=False).encoded == 0
    np.testing.assert_allclose(towers_of(Store(tmp_path).version_path("second")), slow_tower_vectors, atol=ROUNDING)


def test_a_stopped_build_is_gone_on_with_only_by_its_like(
    mixed_bundle: Path, catalog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unbroken, reported = build(mixed_bundle, catalog, tmp_path / "unbroken", "v"), list[str]()
    for explain in (False, True):
        with monkeypatch.context() as patch:
            stop_after(2, patch)
            with pytest.raises(Stop):
                build(mixed_bundle, catalog, tmp_path / "broken", "v", explain)
    last = build(mixed_bundle, catalog, tmp_path / "broken", "v", report=reported.append)
    assert reported[0] == "continuing a stopped build: 100 of 300 products are still to be encoded"
    for name in (INDEX_FILE, TOWER_VECTORS_FILE):
        assert (last.path / name).read_bytes() == (unbroken.path / name).read_bytes()


def test_an_update_keeps_what_its_version_keeps(mixed_bundle: Path, catalog: Path, tmp_path: Path) -> None:
    """No photo is at hand."""
    rows = pq.read_table(catalog).to_pylist()
    changes = [
        {**rows[40], "title": "red toy", "image": None, "change": "upsert"},
        {**rows[41], "price": 1.0, "change": "upsert"},
        {"product_id": rows[0]["product_id"], "change": "delete"},
    ]
    schema = pq.read_schema(catalog).append(pa.field("change", pa.string()))
    (tmp_path / "changes").mkdir()
    path = tmp_path / "changes" / "changes.parquet"
    pq.write_table(pa.Table.from_pylist(changes, schema=schema), path)
    found = {}
    for version, explain in (("explained", True), ("plain", False)):
        build(mixed_bundle, catalog, tmp_path, version, explain)
        found[explain] = update_version(UpdateRequest(mixed_bundle, path, tmp_path, version, f"{version}-2"))
    assert [built.encoded for built in found.values()] == [1, 0]
    assert TOWER_VECTORS_FILE not in found[False].manifest.files
    before, after = towers_of(Store(tmp_path).version_path("explained")), towers_of(found[True].path)
    same = np.setdiff1d(np.arange(299), [39])
    np.testing.assert_array_equal(after[same], before[same + 1])
    bundle = open_bundle(mixed_bundle)
    encoder = SideEncoder(load_side(bundle.product_folder), read_tokenizers(bundle.product_folder, bundle.product))
    title = encoder.text_vectors("bibert", ["red toy"])[0]
    np.testing.assert_allclose(after[39], [*title, *[np.nan] * 24], atol=ROUNDING)


def test_of_three_towers_the_titles_alone_are_kept(catalog: Path, tmp_path: Path) -> None:
    bundle = tiny_bundle(tmp_path / "bundle", "3tmm")
    towers = towers_of(build(bundle.path, catalog, tmp_path / "store", "v").path)
    encoder = SideEncoder(load_side(bundle.product_folder), read_tokenizers(bundle.product_folder, bundle.product))
    expected = encoder.text_vectors("bibert", pq.read_table(catalog)["title"].to_pylist())
    np.testing.assert_allclose(towers, expected, atol=ROUNDING)


def test_a_model_that_keeps_its_towers_apart_needs_none(bundle: Path, catalog: Path, tmp_path: Path) -> None:
    assert TOWER_VECTORS_FILE not in build(bundle, catalog, tmp_path, "v").manifest.files
    assert build(bundle, catalog, tmp_path, "again", explain=False).encoded == 0


def test_an_older_export_is_refused_before_any_work(mixed_bundle: Path, catalog: Path, tmp_path: Path) -> None:
    old, opened = Path(shutil.copytree(mixed_bundle, tmp_path / "old")), open_bundle(mixed_bundle)
    forget_towers(old / "query" / "encoder.onnx")
    (old / CARD_FILE).unlink()
    finish_bundle(old, opened.card.origin, opened.held_out_queries())
    with pytest.raises(BuildError, match=r"its encoder\.onnx was exported before scores .*; fit the model again"):
        build(old, catalog, tmp_path / "store", "v")
    assert not (tmp_path / "store").exists()
    assert build(old, catalog, tmp_path / "store", "v", explain=False).encoded == 300


def test_a_pool_without_vectors_of_towers_gives_no_file(mixed_bundle: Path, catalog: Path, tmp_path: Path) -> None:
    embed_shop(mixed_bundle, catalog, tmp_path)
    assert not (tmp_path / TOWER_VECTORS_FILE).exists()
    embed_shop(mixed_bundle, catalog, tmp_path, with_tower_vectors=True)
    assert np.load(tmp_path / TOWER_VECTORS_FILE, mmap_mode="r").shape == (300, 56)
