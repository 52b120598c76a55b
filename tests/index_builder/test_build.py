"""Whole builds: what is found, what is written, and what a build that fails leaves behind."""

import datetime
import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from artifacts.bundle import open_bundle
from artifacts.catalog import read_catalog
from artifacts.errors import DamagedError, FormatError, StoreError
from artifacts.index_version import KEYS_FILE, open_index_version
from artifacts.manifest import PhotoCounts
from artifacts.store import Publication, Store
from index_builder import new_version, version_writer
from index_builder.build import BuildRequest, build_version
from index_builder.core.errors import BuildError
from index_builder.embeddings.collect import VECTORS_FILE
from index_builder.embeddings.local_engine import LocalEngine
from index_builder.embeddings.pool import open_pool
from index_builder.index import measured_index
from index_builder.index.indexing import IndexRequest
from index_builder.index.measure import sample_queries
from index_builder.index.type_choice import Choice
from index_builder.version_writer import new_version_id
from index_builder.versions.verify import verify_version
from knn import IndexSpec, IndexSpecError, OperatingPoint, VectorIndex, read_index
from tests.index_builder.index.test_type_choice import a_trial
from towers.query_encoder import OnnxQueryEncoder


def _load(version: Path) -> tuple[VectorIndex, OperatingPoint]:
    opened = open_index_version(version)
    record, description = opened.index_record, opened.manifest.index
    index = read_index(opened.index_path, record.sha256, record.size_bytes)
    return index, OperatingPoint(description.nprobe, description.k_factor, description.ef_search)


@pytest.fixture
def query_vectors(bundle: Path, queries: list[str]) -> np.ndarray:
    opened = open_bundle(bundle)
    return OnnxQueryEncoder(opened.query_folder, opened.query).encode(queries)


def test_top_100_are_those_of_brute_force_over_products_encoded_one_by_one(
    store: Path, slow_vectors: np.ndarray, query_vectors: np.ndarray
) -> None:
    index, point = _load(store / "versions" / "flat")
    found = index.search(query_vectors, 100, point)
    scores = query_vectors @ slow_vectors.T
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :100]
    np.testing.assert_allclose(found.scores, np.take_along_axis(scores, expected, axis=1), atol=1e-5)
    gaps = np.diff(-np.sort(-scores, axis=1)[:, :101], axis=1)
    clear = (gaps < -1e-5) & np.hstack([np.ones((120, 1), bool), gaps[:, :-1] < -1e-5])
    assert clear.mean() > 0.5
    np.testing.assert_array_equal(found.rows[clear], expected[clear])


def test_a_graph_is_set_to_the_ef_search_that_was_measured_and_those_of_before_are_verified_without(
    store: Path, bundle: Path, catalog: Path, rewrite_manifest: Callable[..., None]
) -> None:
    request = BuildRequest(bundle, catalog, store, "graph", index_request=IndexRequest("HNSW4", 0.995))
    built = build_version(request)
    recorded = built.manifest.index
    assert recorded.reached_target and recorded.chosen and (recorded.ef_search or 0) >= 100
    assert _load(built.path)[1] == OperatingPoint(ef_search=recorded.ef_search)
    assert verify_version(Store(store), "graph").canary_overlap == 1
    rewrite_manifest(built.path, index=recorded.model_copy(update={"ef_search": None}))
    assert verify_version(Store(store), "graph").canary_overlap > 0.5


def test_the_recorded_operating_point_finds_what_it_is_recorded_to_find(
    store: Path, slow_vectors: np.ndarray, bundle: Path, catalog: Path
) -> None:
    opened, queries = open_bundle(bundle), sample_queries(open_bundle(bundle), read_catalog(catalog), seed=0)
    query_vectors = OnnxQueryEncoder(opened.query_folder, opened.query).encode(queries.texts)
    description = open_index_version(store / "versions" / "ivf").manifest.index
    index, point = _load(store / "versions" / "ivf")
    assert (description.factory, index.index_type) == ("IVF16,SQ8", "IVF16,SQ8")
    scores = (query_vectors @ slow_vectors.T).astype(np.float64)
    ranked = -np.sort(-scores, axis=1)[:, :100]
    least = ranked[:, -1:] - np.clip(
        (ranked[:, 49:50] - ranked[:, -1:]) * description.tie_share, 0, description.tie_tolerance
    )
    by_nprobe = {}
    for recorded in description.curve:
        rows = index.search(query_vectors, 100, OperatingPoint(recorded.nprobe)).rows
        hits = np.take_along_axis(scores, rows, axis=1) >= least - 1e-6
        by_nprobe[recorded.nprobe] = float((hits & (rows >= 0)).mean())
        assert recorded.recall_at_100 == pytest.approx(by_nprobe[recorded.nprobe], abs=5e-3)
    assert {1, 2, 4, 8, 16} <= set(by_nprobe)
    assert by_nprobe[1] < 0.9 < by_nprobe[16]  # there is something to tune
    assert description.reached_target and description.recall_at_100 >= 0.99
    assert description.recall_at_100 == pytest.approx(by_nprobe[point.nprobe], abs=5e-3)
    assert (description.measured_queries, description.measured_with) == (200, "held-out queries and titles")
    assert description.held_out_queries == 120


def test_products_are_kept_whole_and_in_order(store: Path, catalog: Path) -> None:
    assert open_index_version(store / "versions" / "flat").products().equals(read_catalog(catalog).table)


def test_the_manifest_says_what_the_version_is(store: Path, bundle: Path, queries: list[str]) -> None:
    manifest, model = open_index_version(store / "versions" / "flat").manifest, open_bundle(bundle)
    assert (manifest.version, manifest.width, manifest.count) == ("flat", 56, 300)
    assert manifest.model.name == "tiny-1"
    assert manifest.model.fingerprint == model.fingerprint
    assert manifest.model.query_fingerprint == model.query_fingerprint
    assert manifest.model.product_fingerprint == model.product_fingerprint
    unusable = {"address-refused": 1, "missing": 1, "outside": 1, "unreadable": 1}
    assert manifest.photos == PhotoCounts(usable=294, absent=2, unusable=unusable)
    assert (manifest.index.factory, manifest.index.nprobe, manifest.index.recall_at_100) == (
        "Flat",
        None,
        1.0,
    )
    assert len(manifest.canaries) == 32
    assert {canary.query for canary in manifest.canaries} <= set(queries)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", manifest.created_at)


def test_canaries_hold_exact_answers_also_in_an_approximate_version(
    store: Path, catalog: Path, slow_vectors: np.ndarray, bundle: Path
) -> None:
    opened, ids = open_bundle(bundle), np.array(read_catalog(catalog).product_ids)
    encoder = OnnxQueryEncoder(opened.query_folder, opened.query)
    for canary in open_index_version(store / "versions" / "ivf").manifest.canaries:
        scores = slow_vectors @ encoder.encode([canary.query])[0]
        tenth = np.sort(scores)[-10]
        assert len(canary.product_ids) == 10
        assert set(canary.product_ids) <= set(ids[scores >= tenth - 1e-5])


def test_nothing_is_left_but_versions_and_vectors(store: Path, bundle: Path) -> None:
    assert sorted(os.listdir(store)) == [".lock", "embeddings", "versions"]
    assert sorted(os.listdir(store / "versions")) == ["flat", "ivf", "low"]
    (pool,) = (store / "embeddings").iterdir()
    assert pool.name == open_bundle(bundle).product_fingerprint[:16]
    kept = [path.name for path in pool.iterdir() if path.suffix != ".memory"]  # there unless the photos are too new
    assert sorted(kept) == [".lock", "00000001-000000.shard"]
    assert VECTORS_FILE not in os.listdir(store / "versions" / "flat")


def test_only_recorded_files_of_the_query_side_are_taken(text_bundle: Path, catalog: Path, tmp_path: Path) -> None:
    stray = text_bundle / "query" / ".DS_Store"
    stray.write_bytes(b"x")
    (text_bundle / "query" / "weights.safetensors").chmod(0o600)
    try:
        built = build_version(BuildRequest(text_bundle, catalog, tmp_path, "v"))
    finally:
        stray.unlink()
    assert not (built.path / "query" / ".DS_Store").exists()
    open_index_version(built.path)
    mode = (built.path / "query" / "weights.safetensors").stat().st_mode
    assert mode & 0o777 == 0o666 & ~_umask()  # others may read it where the umask lets them


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_titles_stand_in_for_missing_queries_and_it_is_said(text_bundle: Path, catalog: Path, tmp_path: Path) -> None:
    built = build_version(BuildRequest(text_bundle, catalog, tmp_path, "v"))
    assert built.manifest.index.measured_with == "titles"
    assert built.manifest.index.measured_queries == 300
    assert {canary.query for canary in built.manifest.canaries} <= set(read_catalog(catalog).titles)


def test_an_id_of_its_own(text_bundle: Path, catalog: Path, tmp_path: Path) -> None:
    built = build_version(BuildRequest(text_bundle, catalog, tmp_path))
    assert built.path.name == built.manifest.version
    assert re.fullmatch(r"\d{8}-\d{6}-[0-9a-f]{8}-[0-9a-f]{4}", built.manifest.version)
    opened = open_bundle(text_bundle)
    assert built.manifest.version.split("-")[2] == opened.fingerprint[:8]
    assert new_version_id(opened) != new_version_id(opened)  # two builds that begin in the same second


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"version": "flat"}, StoreError, "has a version 'flat' already, and versions never change"),
        ({"version": "../out"}, StoreError, r"'\.\./out' is no version id"),
        ({"index_request": IndexRequest("IVF16,Nonsense")}, IndexSpecError, "'IVF16,Nonsense': FAISS cannot make it"),
        ({"bundle": Path("nowhere")}, DamagedError, "nowhere is no model bundle"),
        ({"catalog": Path("no.parquet")}, DamagedError, r"no\.parquet is missing"),
    ],
)
def test_bad_requests_end_before_any_work(
    store: Path,
    bundle: Path,
    catalog: Path,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
    error: type[Exception],
    message: str,
) -> None:
    monkeypatch.setattr(LocalEngine, "__call__", lambda *inputs: pytest.fail("encoded"))
    request = {"bundle": bundle, "catalog": catalog, "store": store, "version": "new"} | changes
    with pytest.raises(error, match=message):
        build_version(BuildRequest(**request))
    assert sorted(os.listdir(store / "versions")) == ["flat", "ivf", "low"]


def test_a_catalogue_without_titles_column(bundle: Path, catalog: Path, tmp_path: Path) -> None:
    pq.write_table(pq.read_table(catalog).drop_columns(["title"]), tmp_path / "catalog.parquet")
    with pytest.raises(FormatError, match="lacks the column title"):
        build_version(BuildRequest(bundle, tmp_path / "catalog.parquet", tmp_path / "store"))


@pytest.mark.parametrize("target", [0, -0.1, 1.01, float("nan")])
def test_a_target_out_of_range(target: float) -> None:
    with pytest.raises(BuildError, match="target recall: expected a number above 0 and at most 1, got"):
        IndexRequest(target_recall=target)


STAGES = (
    "write_products",
    "collect",
    "fill_index",
    "measure",
    "write_index",
    "_copy_subfolder",
    "finish_index_version",
)


@pytest.mark.parametrize("stage", STAGES)
def test_a_build_that_fails_leaves_the_store_as_it_was(
    store: Path, text_bundle: Path, catalog: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    Store(store).publish("flat")

    def fail(*arguments: object) -> None:
        raise OSError("disk full")

    module = next(module for module in (new_version, measured_index, version_writer) if hasattr(module, stage))
    monkeypatch.setattr(module, stage, fail)
    with pytest.raises(OSError, match="disk full"):
        build_version(BuildRequest(text_bundle, catalog, store, "new"))
    assert Store(store).publication() == Publication("flat")
    assert sorted(os.listdir(store / "versions")) == ["flat", "ivf", "low"]
    monkeypatch.undo()
    reported: list[str] = []
    built = build_version(BuildRequest(text_bundle, catalog, store, "new"), reported.append)
    went_on = "continuing a stopped build: 0 of 300 products are still to be encoded"
    assert reported[0] == ("encoding 300 of 300 products" if stage == "write_products" else went_on)
    assert built.encoded == (300 if stage == "write_products" else 0)
    verify_version(Store(store), "new")
    assert sorted(os.listdir(store)) == [".lock", "CURRENT", "embeddings", "versions"]
    assert not list((store / "embeddings").glob("*/*.plan"))


def test_a_build_is_told_stage_by_stage(text_bundle: Path, catalog: Path, tmp_path: Path) -> None:
    reported: list[str] = []
    build_version(BuildRequest(text_bundle, catalog, tmp_path, "v"), reported.append)
    expected = ["encoding 300 of 300 products", "building Flat", "measuring with 300 queries", "writing"]
    expected.append("indexing words")
    assert reported == expected


def test_a_type_that_promised_too_much_on_the_sample_gives_way_to_the_surest(
    text_bundle: Path, catalog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    coarse, fine, reported = a_trial("IVF16,PQ2x4", 0.995, 0.1), a_trial("IVF16,SQ8", 0.999, 0.5), list[str]()
    choice = Choice(IndexSpec("IVF16,PQ2x4", 300), (coarse, fine))
    monkeypatch.setattr(measured_index, "choose_index", lambda *inputs: choice)
    built = build_version(BuildRequest(text_bundle, catalog, tmp_path, "v"), reported.append)
    assert reported[1:4:2] == ["building IVF16,PQ2x4", "IVF16,PQ2x4 misses the target over all products"]
    assert (built.manifest.index.factory, built.manifest.index.reached_target) == ("IVF16,SQ8", True)
    assert [trial.factory for trial in built.manifest.index.trials] == ["IVF16,PQ2x4", "IVF16,SQ8"]
    assert verify_version(Store(tmp_path), "v").canary_overlap > 0.9


def test_two_builds_with_one_model_cannot_run_at_once_and_with_two_they_can(
    bundle: Path, text_bundle: Path, catalog: Path, tmp_path: Path
) -> None:
    model = open_bundle(bundle)
    with open_pool(tmp_path, model.product_fingerprint, model.card.width):
        with pytest.raises(
            BuildError, match=r"another build with this model is running \(process .*; it holds .*\); wait"
        ):
            build_version(BuildRequest(bundle, catalog, tmp_path, "v"))
        build_version(BuildRequest(text_bundle, catalog, tmp_path, "v"))
    assert Store(tmp_path).version_ids() == ["v"]


def test_a_version_keeps_what_its_vectors_were_made_of(store: Path, catalog: Path) -> None:
    keys, products = np.load(store / "versions" / "flat" / KEYS_FILE, allow_pickle=False), read_catalog(catalog)
    expected = [
        slow_key(title, None if row in BROKEN else (catalog.parent / str(image)).read_bytes())
        for row, (title, image) in enumerate(zip(products.titles, products.images, strict=True))
    ]
    truncated, url = 5, 13  # what is not usable has been read all the same, or is named
    expected[truncated] = slow_key(products.titles[truncated], (catalog.parent / "truncated.png").read_bytes())
    expected[url] = hashlib.blake2b(
        keyed(products.titles[url]) + b"url http://127.0.0.1/photo.png", digest_size=16
    ).digest()
    assert [key.tobytes() for key in keys] == expected


BROKEN = (3, 5, 7, 9, 11, 13)


def keyed(title: str) -> bytes:
    return f"{len(title.encode())}:{title}".encode()


def slow_key(title: str, photo: bytes | None) -> bytes:
    content = b"" if photo is None else b"content " + hashlib.sha256(photo).digest()
    return hashlib.blake2b(keyed(title) + content, digest_size=16).digest()


def test_products_that_no_service_can_load_are_refused_before_anything_is_encoded(
    text_bundle: Path, catalog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LocalEngine, "__call__", lambda *inputs: pytest.fail("encoded"))
    days = pa.array([datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)] * 300, pa.timestamp("us", "Mars/Olympus_Mons"))
    pq.write_table(pq.read_table(catalog).append_column("since", days), tmp_path / "catalog.parquet")
    with pytest.raises(FormatError) as caught:
        build_version(BuildRequest(text_bundle, tmp_path / "catalog.parquet", tmp_path / "store", "v"))
    assert str(caught.value).startswith(
        f"{tmp_path / 'catalog.parquet'}: column since of the products, timestamp[us, tz="
    )
    assert str(caught.value).endswith("; correct the column")
    assert Store(tmp_path / "store").version_ids() == []
