"""An index version: complete, sealed, and refused when its parts do not belong together."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from artifacts.bundle import ModelBundle, open_bundle
from artifacts.errors import ArtifactError, DamagedError, FormatError, MismatchError
from artifacts.index_version import (
    PRODUCTS_FILE,
    QUERY_FOLDER,
    TOWER_VECTORS_FILE,
    finish_index_version,
    open_index_version,
)
from artifacts.manifest import MANIFEST_FILE, read_manifest
from tests.support.folders import write_hollow_bundle, write_hollow_version
from tests.support.specs import BERT_WIDTH, CLIP_WIDTH

FILES = [
    "index.faiss",
    "products.parquet",
    "query/encoder.onnx",
    "query/side.json",
    "query/tokenizer-bibert.json",
    "query/tokenizer-clip.json",
    "query/weights.safetensors",
]


@pytest.fixture
def bundle(tmp_path: Path) -> ModelBundle:
    return write_hollow_bundle(tmp_path / "bundle")


@pytest.fixture
def version(tmp_path: Path, bundle: ModelBundle) -> Path:
    path = tmp_path / "v1"
    write_hollow_version(path, bundle)
    return path


def test_a_version_comes_back_as_it_was_sealed(tmp_path: Path, bundle: ModelBundle) -> None:
    manifest = write_hollow_version(tmp_path / "v1", bundle)
    opened = open_index_version(tmp_path / "v1")
    assert opened.manifest.model_copy(update={"files": {}, "seal": None}) == manifest
    assert sorted(opened.manifest.files) == FILES
    assert opened.query == bundle.query
    assert opened.query_folder == tmp_path / "v1" / "query"
    assert opened.index_path.read_bytes() == b"faiss"
    assert opened.index_record == opened.manifest.files["index.faiss"]
    assert opened.index_record.size_bytes == 5
    products = opened.products()
    assert products["product_id"].to_pylist() == ["a", "b", "c"]
    assert products.column_names == ["product_id", "title", "image", "price"]
    assert read_manifest(tmp_path / "v1") == opened.manifest


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["altered", "missing"])
def test_damage_to_any_file_is_refused_by_its_name(version: Path, name: str, damage: str) -> None:
    file = version / name
    if damage == "missing":
        file.unlink()
    else:
        content = bytearray(file.read_bytes())
        content[0] ^= 1
        file.write_bytes(content)
    with pytest.raises(DamagedError) as caught:
        open_index_version(version)
    assert str(caught.value).startswith(f"{file} ")


def test_the_index_alone_can_be_left_to_its_reader(version: Path) -> None:
    (version / "index.faiss").write_bytes(b"FAISS")
    with pytest.raises(DamagedError, match=r"index\.faiss does not have the SHA-256"):
        open_index_version(version)
    assert open_index_version(version, leave_index=True).index_record.size_bytes == 5
    (version / "query" / "encoder.onnx").unlink()
    with pytest.raises(DamagedError, match=r"encoder\.onnx is missing"):
        open_index_version(version, leave_index=True)


Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("change", "kind", "reason"),
    [
        (lambda m: m.update(schema_version=0), FormatError,
         "{manifest} has schema version 0, this Vitrine reads 1"),
        (lambda m: m.pop("count"), FormatError, "{manifest}: count is missing and has no default"),
        (lambda m: m["index"].update(curve="flat"), FormatError,
         "{manifest}: index.curve is 'flat': input should be a valid tuple"),
        (lambda m: m["files"].pop("index.faiss"), DamagedError,
         "{manifest} records no index.faiss; build the version again"),
        (lambda m: m["files"].pop("products.parquet"), DamagedError,
         "{manifest} records no products.parquet; build the version again"),
        (lambda m: m.update(width=7), MismatchError,
         "{version}: the query side gives width 40, the index has 7"),
        (lambda m: m.update(count=4), MismatchError,
         "{version}: products.parquet has 3 rows, the index 4 vectors"),
        (lambda m: m["model"].update(query_fingerprint="f" * 64), MismatchError,
         "{version}: the query side has fingerprint {found}, but the vectors were made for ffffffffffff; "
         "build the index again with this model"),
    ],
)  # fmt: skip
def test_a_manifest_that_does_not_fit_is_refused(
    version: Path, bundle: ModelBundle, change: Change, kind: type[ArtifactError], reason: str
) -> None:
    path = version / MANIFEST_FILE
    manifest = json.loads(path.read_text())
    del manifest["seal"]  # as the first builders wrote it; otherwise the checksum is compared first
    change(manifest)
    path.write_text(json.dumps(manifest))
    with pytest.raises(kind) as caught:
        open_index_version(version)
    found = bundle.query_fingerprint[:12]
    assert str(caught.value) == reason.format(manifest=path, version=version, found=found)


def test_vectors_of_towers_are_mapped(version: Path) -> None:
    assert open_index_version(version).open_tower_vectors() is None
    vectors = np.random.default_rng(0).standard_normal((3, BERT_WIDTH + CLIP_WIDTH)).astype(np.float16)
    keep_towers(version, vectors)
    found = open_index_version(version).open_tower_vectors()
    assert isinstance(found, np.memmap)
    np.testing.assert_array_equal(found, vectors)


@pytest.mark.parametrize(
    ("vectors", "told"),
    [
        (np.zeros((2, 56), np.float16), "float16 of the shape (2, 56)"),
        (np.zeros((3, 40), np.float16), "float16 of the shape (3, 40)"),
        (np.zeros((3, 56), np.float32), "float32 of the shape (3, 56)"),
    ],
)
def test_vectors_of_towers_that_do_not_fit_are_refused(version: Path, vectors: np.ndarray, told: str) -> None:
    keep_towers(version, vectors)
    with pytest.raises(MismatchError) as caught:
        open_index_version(version).open_tower_vectors()
    path = version / TOWER_VECTORS_FILE
    assert str(caught.value) == f"{path} has {told}, expected float16 of (3, 56); build the version again"


def test_vectors_of_towers_that_are_no_array_are_damage(version: Path) -> None:
    keep_towers(version, np.zeros((3, 56), np.float16))
    (version / TOWER_VECTORS_FILE).write_bytes(b"altered")
    with pytest.raises(DamagedError, match=r"towers\.npy has 7 bytes"):
        open_index_version(version)
    reseal(version)
    with pytest.raises(DamagedError, match=r"towers\.npy cannot be read: .*; build the version again"):
        open_index_version(version).open_tower_vectors()


def keep_towers(version: Path, vectors: np.ndarray) -> None:
    """Add them to a sealed version."""
    np.save(version / TOWER_VECTORS_FILE, vectors)
    reseal(version)


def reseal(version: Path) -> None:
    manifest = read_manifest(version)
    (version / MANIFEST_FILE).unlink()
    finish_index_version(version, manifest)


def test_a_query_side_of_another_model_is_refused(tmp_path: Path, version: Path, bundle: ModelBundle) -> None:
    other = write_hollow_bundle(tmp_path / "other", filling=b"retrained")
    manifest = read_manifest(version)
    shutil.rmtree(version / QUERY_FOLDER)
    shutil.copytree(other.query_folder, version / QUERY_FOLDER)
    (version / MANIFEST_FILE).unlink()
    finish_index_version(version, manifest)  # every checksum is right, only the pair is wrong
    with pytest.raises(MismatchError) as caught:
        open_index_version(version)
    assert str(caught.value) == (
        f"{version}: the query side has fingerprint {other.query_fingerprint[:12]}, but the vectors were "
        f"made for {bundle.query_fingerprint[:12]}; build the index again with this model"
    )


def test_a_folder_without_manifest_is_no_version(version: Path) -> None:
    (version / MANIFEST_FILE).unlink()
    for read in (open_index_version, read_manifest):
        with pytest.raises(DamagedError) as caught:
            read(version)
        assert str(caught.value) == f"{version} is no index version: it has no manifest.json"


def test_a_manifest_cut_short_is_refused(version: Path) -> None:
    path = version / MANIFEST_FILE
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DamagedError, match="is not readable JSON"):
        open_index_version(version)


def test_no_flipped_bit_of_a_manifest_goes_unnoticed(version: Path) -> None:
    path = version / MANIFEST_FILE
    written, content = read_manifest(version), path.read_bytes()
    checksums_broken = 0
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        try:
            assert read_manifest(version) == written  # a blank became another blank
        except DamagedError as error:
            checksums_broken += (
                str(error) == f"{path} does not match the checksum of its content (key seal); it is damaged"
            )
        except FormatError:
            pass
    assert checksums_broken > 100


def test_products_that_are_no_table_are_refused(version: Path) -> None:
    manifest = read_manifest(version)
    (version / PRODUCTS_FILE).write_bytes(b"no table")
    (version / MANIFEST_FILE).unlink()
    finish_index_version(version, manifest)
    with pytest.raises(DamagedError, match=r"products\.parquet cannot be read as Parquet"):
        open_index_version(version)


def test_a_manifest_is_read_without_reading_the_rest(version: Path) -> None:
    (version / "index.faiss").unlink()
    assert read_manifest(version).version == "v1"


def test_a_version_of_before_photo_encoders_has_none(version: Path, bundle: ModelBundle) -> None:
    manifest = json.loads((version / MANIFEST_FILE).read_text())
    del manifest["model"]["photo_fingerprint"], manifest["seal"]
    (version / MANIFEST_FILE).write_text(json.dumps(manifest))
    assert (open_index_version(version).photo, bundle.photo, bundle.photo_fingerprint) == (None, None, None)


def test_a_photo_encoder_belongs_to_its_model(tmp_path: Path) -> None:
    bundle, other = (
        write_hollow_bundle(tmp_path / name, "cat", photo_encoder=name.encode()) for name in ("one", "other")
    )
    assert bundle.photo == bundle.product.towers[1]
    write_hollow_version(tmp_path / "v1", bundle)
    opened = open_index_version(tmp_path / "v1")
    assert (opened.photo, opened.photo_folder) == (bundle.photo, tmp_path / "v1" / "photo")
    (tmp_path / "v1" / "photo" / "encoder.onnx").write_bytes(b"other")
    for names in (["encoder.onnx", "tower.json"], []):  # another model's, and none where there was one
        (tmp_path / "v1" / MANIFEST_FILE).unlink()
        for file in (tmp_path / "v1" / "photo").iterdir():
            if file.name not in names:
                file.unlink()
        finish_index_version(tmp_path / "v1", opened.manifest)
        with pytest.raises(MismatchError, match=r"the photo encoder has fingerprint .*build the index again"):
            open_index_version(tmp_path / "v1")
    assert other.photo_fingerprint != bundle.photo_fingerprint


def test_a_photo_encoder_that_nobody_recorded_is_none(tmp_path: Path, bundle: ModelBundle, version: Path) -> None:
    for folder in (bundle.path, version):
        (folder / "photo").mkdir()
        (folder / "photo" / "tower.json").write_text("{}")
    assert open_bundle(bundle.path).photo is None and open_index_version(version).photo is None
