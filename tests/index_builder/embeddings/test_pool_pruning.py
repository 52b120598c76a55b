"""Vectors that no version needs go, and no others."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from artifacts.bundle import open_bundle
from artifacts.index_version import KEYS_FILE, PRODUCTS_FILE
from artifacts.store import Store
from index_builder.build import BuildRequest, build_version
from index_builder.embeddings.embed import EncodingOptions
from index_builder.embeddings.pool import open_pool
from index_builder.embeddings.pool_pruning import prune_pools
from index_builder.index.indexing import IndexRequest
from index_builder.versions.prune import prune_store
from tests.index_builder.embedding import embed_shop
from tests.index_builder.embeddings.test_embed import Stop, stop_after
from tests.support.nodes import other_node, run_on

SHARDS = EncodingOptions(shard_rows=100)


@pytest.fixture
def built(text_bundle: Path, catalog: Path, tmp_path: Path) -> Store:
    """Two versions in three shards of 100: "all" has all products, "some" the last 160 of them."""
    some = tmp_path / "some.parquet"
    pq.write_table(pq.read_table(catalog).slice(140), some)
    for version, products in (("all", catalog), ("some", some)):
        request = BuildRequest(
            text_bundle, products, tmp_path / "store", version, IndexRequest("Flat"), encoding=SHARDS
        )
        assert build_version(request).encoded == (300 if version == "all" else 0)
    return Store(tmp_path / "store")


def test_what_a_version_needs_stays(built: Store, text_bundle: Path, catalog: Path) -> None:
    before = sorted(path.name for path in built.path.rglob("*.shard"))
    assert prune_pools(built) == []
    assert sorted(path.name for path in built.path.rglob("*.shard")) == before
    assert embed_shop(text_bundle, catalog, built.path).encoded == 0


def test_what_no_version_needs_goes(built: Store, text_bundle: Path, catalog: Path) -> None:
    """Of the shards one is needed wholly, one for the most part, which stays as it is, and one not at all."""
    shutil.rmtree(built.version_path("all"))
    sizes = {path: path.stat().st_size for path in sorted(built.path.rglob("*.shard"))}
    (removal,) = prune_pools(built)
    left = sorted(built.path.rglob("*.shard"))
    assert left == sorted(sizes)[1:]
    assert removal.name == f"embeddings/{open_bundle(text_bundle).product_fingerprint[:16]}"
    assert removal.freed_bytes == sizes[min(sizes)]
    assert embed_shop(text_bundle, built.version_path("some") / PRODUCTS_FILE, built.path).encoded == 0
    assert embed_shop(text_bundle, catalog, built.path).encoded == 100


def test_a_shard_of_which_little_is_needed_is_written_anew(
    built: Store, text_bundle: Path, catalog: Path, tmp_path: Path
) -> None:
    few = tmp_path / "few.parquet"
    pq.write_table(pq.read_table(catalog).slice(190, 20), few)
    build_version(BuildRequest(text_bundle, few, built.path, "few", IndexRequest("Flat")))
    for version in ("all", "some"):
        shutil.rmtree(built.version_path(version))
    before = sum(path.stat().st_size for path in built.path.rglob("*.shard"))
    (removal,) = prune_pools(built)
    after = sum(path.stat().st_size for path in built.path.rglob("*.shard"))
    assert removal.freed_bytes == before - after > 0.8 * before
    assert embed_shop(text_bundle, few, built.path).encoded == 0
    assert embed_shop(text_bundle, catalog, built.path).encoded == 280


def test_versions_with_and_without_vectors_of_towers_keep_the_shards_they_need(
    mixed_bundle: Path, catalog: Path, tmp_path: Path
) -> None:
    """Both have all products; a build without sees the later shards, which have them too."""
    store, shards = Store(tmp_path), dict[str, set[Path]]()
    for version, explain in (("plain", False), ("explained", True)):
        request = BuildRequest(mixed_bundle, catalog, tmp_path, version, IndexRequest("Flat"), SHARDS, explain)
        assert build_version(request).encoded == 300
        shards[version] = set(tmp_path.rglob("*.shard")) - shards.get("plain", set())
    (removal,) = prune_pools(store)
    assert set(tmp_path.rglob("*.shard")) == shards["explained"]
    assert removal.freed_bytes > 0
    for version, explain in (("plain-again", False), ("explained-again", True)):
        request = BuildRequest(mixed_bundle, catalog, tmp_path, version, IndexRequest("Flat"), SHARDS, explain)
        assert build_version(request).encoded == 0


def test_a_pool_without_versions_is_emptied(built: Store) -> None:
    for version in ("all", "some"):
        shutil.rmtree(built.version_path(version))
    (removal,) = prune_pools(built)
    assert removal.freed_bytes > 300 * 32 * 4
    assert {path.name for path in (built.path / "embeddings").glob("*/*")} == {".lock"}


def test_what_a_stopped_build_has_encoded_stays(
    built: Store, bundle: Path, catalog: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        stop_after(2, patch)
        with pytest.raises(Stop):
            embed_shop(bundle, catalog, built.path, SHARDS)
    assert prune_pools(built) == []
    assert embed_shop(bundle, catalog, built.path, SHARDS).encoded == 100


def test_a_pool_in_use_is_left_alone(built: Store, text_bundle: Path) -> None:
    for version in ("all", "some"):
        shutil.rmtree(built.version_path(version))
    with open_pool(built.path, open_bundle(text_bundle).product_fingerprint, 32):
        assert prune_pools(built) == []
    assert len(prune_pools(built)) == 1


def test_a_pool_that_another_machine_uses_is_left_alone(
    built: Store, text_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in ("all", "some"):
        shutil.rmtree(built.version_path(version))
    with open_pool(built.path, open_bundle(text_bundle).product_fingerprint, 32) as pool:
        run_on(other_node(passing=lambda: pool.lease and pool.lease.beat()), monkeypatch)
        assert prune_pools(built) == []
    assert len(prune_pools(built)) == 1


@pytest.mark.parametrize("file", [KEYS_FILE, "manifest.json"])
def test_nothing_goes_where_a_version_is_damaged(built: Store, file: str) -> None:
    (built.version_path("some") / file).write_bytes(b"")
    shutil.rmtree(built.version_path("all"))
    assert prune_pools(built) == []


def test_versions_of_the_first_builders_need_nothing(built: Store, rewrite_manifest: Callable[..., None]) -> None:
    for version in ("all", "some"):
        (built.version_path(version) / KEYS_FILE).unlink()
        rewrite_manifest(built.version_path(version))
    assert len(prune_pools(built)) == 1


def test_prune_tells_of_vectors(built: Store) -> None:
    pruning = prune_store(built, 1)
    assert [removal.name for removal in pruning.versions] == ["all"]
    (removal,) = pruning.unused
    assert removal.name.startswith("embeddings/")
    assert prune_pools(Store(built.path / "nothing")) == []
