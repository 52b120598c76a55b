"""An index version: complete, sealed, and refused when its parts do not belong together."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from artifacts.bundle import ModelBundle
from artifacts.errors import ArtifactError, DamagedError, FormatError, MismatchError
from artifacts.index_version import (
    MANIFEST_FILE,
    PRODUCTS_FILE,
    QUERY_FOLDER,
    finish_index_version,
    open_index_version,
    read_manifest,
)
from tests.support.folders import write_hollow_bundle, write_hollow_version

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
    del manifest["seal"]  # as the first builders wrote it; otherwise the seal tells before all this
    change(manifest)
    path.write_text(json.dumps(manifest))
    with pytest.raises(kind) as caught:
        open_index_version(version)
    found = bundle.query_fingerprint[:12]
    assert str(caught.value) == reason.format(manifest=path, version=version, found=found)


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
    seals_broken = 0
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        try:
            assert read_manifest(version) == written  # a blank became another blank
        except DamagedError as error:
            seals_broken += str(error) == f"{path} does not have the seal that it was written with; it is damaged"
        except FormatError:
            pass
    assert seals_broken > 100


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
