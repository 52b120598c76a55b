"""What earlier code wrote is understood by this code: the saved folders beside this file, made by `make.py`."""

import ast
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import artifacts
from artifacts.bundle import open_bundle
from artifacts.checksums import record_files
from artifacts.dataset import open_dataset
from artifacts.gate import read_gate_record
from artifacts.history import read_history
from artifacts.index_version import INDEX_FILE, open_index_version
from artifacts.manifest import read_manifest
from artifacts.photo_encoder import PHOTO_ENCODER_FOLDER, read_photo_tower
from artifacts.popularity import read_priors
from artifacts.side import PriorSpec
from artifacts.store import Publication, Store
from index_builder.build import BuildRequest, build_version
from index_builder.embeddings import shard
from index_builder.index.indexing import IndexRequest
from index_builder.update import UpdateRequest, update_version
from index_builder.versions.publish import publish_version
from index_builder.versions.verify import verify_version
from knn import OperatingPoint, read_index
from service.core.device import Device
from service.worker.loaded_version import load_version
from tests.formats.make import FOLDER, MAKERS, explained, main, pair_logits, product_vectors
from tests.support.specs import BERT_WIDTH, tiny_sides
from towers.annotator import open_annotator
from towers.photo_encoder import OnnxPhotoEncoder
from towers.photos import load_photo
from towers.query_encoder import OnnxQueryEncoder

# The module that writes each saved format.
FORMATS = {
    "annotator": "annotator",
    "bundle": "bundle",
    "dataset": "dataset",
    "gate": "gate",
    "manifest": "store",
    "photo_encoder": "photo",
    "shard": "shard",
}
PARTS = {
    "explained": "manifest",
    "history": "bundle",
    "prior": "bundle",
}  # what is saved of a format besides, since not every folder of it has it


def saved(name: str) -> list[Path]:
    """The folders that are kept of a format, of every schema version."""
    return sorted(FOLDER.glob(f"{name}-*"))


def expected(folder: Path) -> Any:
    return json.loads((folder / "expected.json").read_bytes())


def schema_versions() -> dict[str, int]:
    """The present schema version of each module that has a format which outlives a program, read from its source."""
    found = {}
    for path in [*Path(artifacts.__file__).parent.glob("*.py"), Path(shard.__file__)]:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).endswith("SCHEMA_VERSION"):
                found[path.stem] = ast.literal_eval(node.value)
    return found


def test_every_format_is_saved() -> None:
    assert schema_versions().keys() == FORMATS.keys()
    modules = {name: module for module, name in FORMATS.items()} | PARTS
    assert {name: version for name, (version, _) in MAKERS.items()} == {
        name: schema_versions()[module] for name, module in modules.items()
    }


@pytest.mark.parametrize("module", FORMATS)
def test_every_schema_version_is_kept(module: str) -> None:
    """Before a schema version is raised, `python -m tests.formats.make` keeps a folder of the present one."""
    versions = range(1, schema_versions()[module] + 1)
    assert [path.name for path in saved(FORMATS[module])] == [f"{FORMATS[module]}-{version}" for version in versions]


# Saved folders are what the code of their time wrote; a new one is kept beside them.
FINGERPRINTS = {
    "annotator-1": "0d73057d880a07f8",
    "bundle-1": "57b82557fdb28833",
    "dataset-1": "b7bd4211ef7712c2",
    "explained-1": "f75873d0bb867a6c",
    "gate-1": "b220d4e821fccf1b",
    "history-1": "99da36ddb8c167cd",
    "photo-1": "e8a477a9194daeb7",
    "prior-1": "4f4d692a9699c430",
    "shard-1": "f352150b40a22da4",
    "store-1": "f7cb1c94ecc00086",
}


@pytest.mark.parametrize("name", FINGERPRINTS)
def test_saved_folders_never_change(name: str) -> None:
    digest = hashlib.sha256()
    for path in sorted(path for path in (FOLDER / name).rglob("*") if path.is_file()):
        digest.update(path.relative_to(FOLDER / name).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    assert digest.hexdigest()[:16] == FINGERPRINTS[name]


def test_each_saved_folder_has_its_fingerprint() -> None:
    assert {path.name for name in MAKERS for path in saved(name)} == FINGERPRINTS.keys()


@pytest.mark.parametrize("folder", saved("history"), ids=lambda folder: folder.name)
def test_a_saved_history_moves_products_where_it_moved_them(folder: Path) -> None:
    history, wanted = read_history(folder, tiny_sides("bibert")[1]), expected(folder)
    assert history is not None
    moved = history.add_to(np.eye(BERT_WIDTH, dtype=np.float32)[:3], wanted["product_ids"])
    np.testing.assert_allclose(moved, wanted["vectors"], atol=2e-5)


@pytest.mark.parametrize("folder", saved("prior"), ids=lambda folder: folder.name)
def test_a_saved_popularity_gives_products_the_vectors_that_it_gave_them(folder: Path) -> None:
    wanted = expected(folder)
    prior = PriorSpec.model_validate(wanted["query_prior"])
    priors = read_priors(folder, tiny_sides("bibert")[0].model_copy(update={"prior": prior}))
    assert priors is not None
    found = priors.add_to(np.eye(BERT_WIDTH, dtype=np.float32)[:3], wanted["product_ids"])
    np.testing.assert_allclose(found, wanted["vectors"], atol=2e-5)


@pytest.mark.parametrize("folder", saved("store"), ids=lambda folder: folder.name)
def test_a_saved_store_says_what_is_published(folder: Path) -> None:
    store = Store(folder / "store")
    assert store.version_ids() == ["flat", "ivf"]
    assert store.publication() == Publication("ivf", ("flat",))
    assert read_manifest(store.version_path("ivf")).base is None


@pytest.mark.parametrize("version", ["flat", "ivf"])
@pytest.mark.parametrize("folder", saved("store"), ids=lambda folder: folder.name)
def test_a_saved_version_finds_what_it_found(folder: Path, version: str) -> None:
    store, wanted = Store(folder / "store"), expected(folder)
    loaded = load_version(store, version, device=Device.CPU, encoder_threads=1)
    found = loaded.search(loaded.encoder.encode(wanted["queries"]), 10)
    np.testing.assert_allclose(found.scores, wanted["scores"], atol=1e-3 if version == "flat" else 1e-2)
    ids = np.array(open_index_version(store.version_path(version)).products()["product_id"].to_pylist())[found.rows]
    for here, there in zip(ids.tolist(), wanted["product_ids"], strict=True):
        assert len({*here} & {*there}) >= 9
    assert verify_version(store, version).canary_overlap > 0.9


@pytest.mark.parametrize("version", ["flat", "ivf"])
@pytest.mark.parametrize("folder", saved("store"), ids=lambda folder: folder.name)
def test_encoder_and_index_of_a_saved_version_work_by_themselves(folder: Path, version: str) -> None:
    opened, wanted = open_index_version(folder / "store" / "versions" / version), expected(folder)
    record = opened.index_record
    index = read_index(opened.index_path, record.sha256, record.size_bytes)
    vectors = OnnxQueryEncoder(opened.query_folder, opened.query).encode(wanted["queries"])
    assert (index.count, index.width, vectors.shape) == (160, opened.manifest.width, (4, opened.manifest.width))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    point = OperatingPoint(opened.manifest.index.nprobe, opened.manifest.index.k_factor)
    np.testing.assert_allclose(index.search(vectors, 10, point).scores, wanted["scores"], atol=1e-2)


@pytest.mark.parametrize("folder", saved("store"), ids=lambda folder: folder.name)
def test_a_saved_store_goes_on(folder: Path, tmp_path: Path) -> None:
    store = Store(Path(shutil.copytree(folder / "store", tmp_path / "store")))
    assert store.rollback() == Publication("flat")
    assert publish_version(store, "ivf") == Publication("ivf", ("flat",))


@pytest.mark.parametrize("folder", saved("shard"), ids=lambda folder: folder.name)
def test_a_saved_store_keeps_builds_and_updates_from_encoding(folder: Path, tmp_path: Path) -> None:
    kept = Path(shutil.copytree(folder, tmp_path / "kept"))
    bundle, store, catalog = kept / "bundle", kept / "store", kept / "shop" / "catalog.parquet"
    before = pq.read_table(catalog)
    built = build_version(BuildRequest(bundle, catalog, store, "built", IndexRequest("Flat")))
    assert (built.encoded, built.manifest.photos.unusable) == (0, {"missing": 1})
    cheaper = before.set_column(3, "price", pa.array([1.5] * len(before)))
    pq.write_table(cheaper.append_column("change", pa.array(["upsert"] * len(before))), kept / "changes.parquet")
    updated = update_version(UpdateRequest(bundle, kept / "changes.parquet", store, None, "new"))
    assert updated.encoded == 0
    assert open_index_version(updated.path).products()["price"].to_pylist() == [1.5] * len(before)
    first = store / "versions" / "v"
    assert all(
        (path / INDEX_FILE).read_bytes() == (first / INDEX_FILE).read_bytes() for path in (built.path, updated.path)
    )


@pytest.mark.parametrize("folder", saved("explained"), ids=lambda folder: folder.name)
def test_a_saved_version_is_explained_as_it_was(folder: Path, tmp_path: Path) -> None:
    kept, wanted = Path(shutil.copytree(folder, tmp_path / "kept")), expected(folder)
    store, bundle, catalog = kept / "store", kept / "bundle", kept / "shop" / "catalog.parquet"
    built = build_version(BuildRequest(bundle, catalog, store, "built", IndexRequest("Flat"), explain=True))
    assert built.encoded == 0
    for version in ("v", "built"):
        loaded = load_version(Store(store), version, device=Device.CPU, encoder_threads=1)
        for found, before in zip(explained(loaded, wanted["queries"]), wanted["cosines"], strict=True):
            assert found == {
                name: [value and pytest.approx(value, abs=1e-3) for value in before[name]] for name in before
            }
            assert [value is None for value in found["photo"]] == [False] * 4 + [True] * 4


@pytest.mark.parametrize("folder", saved("gate"), ids=lambda folder: folder.name)
def test_a_saved_record_of_the_gate_is_understood(folder: Path) -> None:
    record = read_gate_record(Store(folder / "store"), "v1")
    assert record is not None
    assert [decision.outcome for decision in record.decisions] == ["refused", "forced"]
    assert record.latest.failures == ("recall@100 is 0.93, expected at least 0.99",)
    assert (record.latest.reason, record.latest.compared_with) == ("the shop opens at nine", "v0")


@pytest.mark.parametrize("folder", saved("bundle"), ids=lambda folder: folder.name)
def test_a_saved_bundle_gives_the_vectors_that_it_gave(folder: Path) -> None:
    bundle, wanted = open_bundle(folder / "bundle"), expected(folder)
    vectors = OnnxQueryEncoder(bundle.query_folder, bundle.query).encode(wanted["queries"])
    np.testing.assert_allclose(vectors, wanted["query_vectors"], atol=1e-4)
    np.testing.assert_allclose(product_vectors(bundle, wanted["titles"]), wanted["product_vectors"], atol=1e-4)
    assert bundle.held_out_queries() == wanted["queries"]
    assert (bundle.card.origin.name, bundle.card.origin.created_at) == ("3tmm", "2026-11-01T00:00:00+00:00")


@pytest.mark.parametrize("folder", saved("photo"), ids=lambda folder: folder.name)
def test_a_saved_photo_encoder_gives_the_vectors_that_it_gave(folder: Path) -> None:
    tower, wanted = read_photo_tower(folder, record_files(folder)), expected(folder)
    assert tower is not None
    encoder = OnnxPhotoEncoder(folder / PHOTO_ENCODER_FOLDER, tower)
    vectors = encoder.encode([load_photo(folder / name, encoder.photo) for name in wanted["photos"]])
    np.testing.assert_allclose(vectors, wanted["vectors"], atol=1e-4)


@pytest.mark.parametrize("folder", saved("dataset"), ids=lambda folder: folder.name)
def test_a_saved_data_set_gives_its_pairs(folder: Path) -> None:
    dataset = open_dataset(folder / "dataset")
    tables = (dataset.train_pairs, dataset.validation_pairs, dataset.evaluation_pairs)
    for number, table in enumerate(tables):
        assert table.to_pylist() == [{"query": f"q{number}", "product_id": "a", "purchases": number + 1}]
    assert dataset.seen_negatives.to_pylist() == [{"query": "q0", "product_id": "b"}]
    assert (dataset.card.catalog, dataset.card.seed, dataset.card.train.pairs) == ("/shop/catalog.parquet", 3, 1)


@pytest.mark.parametrize("folder", saved("annotator"), ids=lambda folder: folder.name)
def test_a_saved_annotator_gives_the_logits_that_it_gave(folder: Path) -> None:
    annotator, wanted = open_annotator(folder / "annotator"), expected(folder)
    np.testing.assert_allclose(pair_logits(annotator, wanted["queries"], wanted["titles"]), wanted["logits"], atol=1e-4)
    assert (annotator.card.labelling.threshold, annotator.card.labelling.temperature) == (0.4, 1.5)


def test_what_is_kept_is_not_written_again(tmp_path: Path) -> None:
    for name, (version, _) in MAKERS.items():
        (tmp_path / f"{name}-{version}").mkdir()
    main(tmp_path)
    assert all(not any(path.iterdir()) for path in tmp_path.iterdir())


@pytest.mark.integration
def test_the_present_code_reads_what_it_writes(tmp_path: Path) -> None:
    main(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {f"{name}-{version}" for name, (version, _) in MAKERS.items()}
    test_a_saved_bundle_gives_the_vectors_that_it_gave(tmp_path / f"bundle-{MAKERS['bundle'][0]}")
    test_a_saved_photo_encoder_gives_the_vectors_that_it_gave(tmp_path / f"photo-{MAKERS['photo'][0]}")
    test_a_saved_version_finds_what_it_found(tmp_path / f"store-{MAKERS['store'][0]}", "ivf")
    test_a_saved_record_of_the_gate_is_understood(tmp_path / f"gate-{MAKERS['gate'][0]}")
    test_a_saved_data_set_gives_its_pairs(tmp_path / f"dataset-{MAKERS['dataset'][0]}")
    test_a_saved_annotator_gives_the_logits_that_it_gave(tmp_path / f"annotator-{MAKERS['annotator'][0]}")
