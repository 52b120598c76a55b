"""A sound version passes; each kind of damage is refused with its own reason."""

import dataclasses
import datetime
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import knn
from artifacts.bundle import open_bundle
from artifacts.checksums import fingerprint_of, record_files
from artifacts.errors import StoreError
from artifacts.manifest import Canary, read_manifest
from artifacts.photo_encoder import write_photo_tower
from artifacts.store import Store
from artifacts.tower_specs import ClipImageTowerSpec
from index_builder.core.errors import VerificationError
from index_builder.versions.verify import verify_version


@dataclass(frozen=True)
class Bench:
    """A version to damage and what to damage it with."""

    version: Path
    other_bundle: Path
    text_bundle: Path
    rewrite_manifest: Callable[..., None]

    def rewrite(self, **changes: Any) -> None:
        self.rewrite_manifest(self.version, **changes)

    def replace_query_side(self, bundle: Path) -> None:
        shutil.rmtree(self.version / "query")
        shutil.copytree(bundle / "query", self.version / "query")

    def identity_with(self, query_fingerprint: str) -> Any:
        return read_manifest(self.version).model.model_copy(update={"query_fingerprint": query_fingerprint})

    def rewrite_products(self, rows: np.ndarray) -> None:
        path = self.version / "products.parquet"
        pq.write_table(pq.read_table(path).take(rows), path)


@pytest.fixture
def bench(store: Path, other_bundle: Path, text_bundle: Path, rewrite_manifest: Callable[..., None]) -> Bench:
    return Bench(store / "versions" / "ivf", other_bundle, text_bundle, rewrite_manifest)


@pytest.mark.parametrize("version", ["flat", "ivf"])
def test_a_sound_version_passes(store: Path, version: str) -> None:
    verified = verify_version(Store(store), version)
    assert verified.manifest.version == version
    assert verified.canary_overlap > 0.98


def test_an_index_too_coarse_for_its_own_canaries_is_refused(store: Path) -> None:
    with pytest.raises(VerificationError, match=r"its canary queries find .* expected at least 80%"):
        verify_version(Store(store), "low")


def test_a_version_with_a_rewritten_manifest_passes(bench: Bench, store: Path) -> None:
    """So that the refusals below are due to the damage and not to the rewriting."""
    bench.rewrite()
    assert verify_version(Store(store), "ivf").canary_overlap > 0.98


def flip_a_bit_of_the_index(bench: Bench) -> None:
    path = bench.version / "index.faiss"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut_the_index(bench: Bench) -> None:
    path = bench.version / "index.faiss"
    path.write_bytes(path.read_bytes()[:-100])


def cut_the_index_and_rewrite(bench: Bench) -> None:
    cut_the_index(bench)
    bench.rewrite()


def index_of_fewer_products(bench: Bench) -> None:
    vectors = np.random.default_rng(0).standard_normal((299, 56)).astype(np.float32)
    spec = knn.IndexSpec("IVF16,SQ8", 299)
    knn.write_index(knn.build_index(spec, 56, [vectors], vectors), bench.version / "index.faiss")
    bench.rewrite()


def index_of_other_vectors(bench: Bench) -> None:
    vectors = np.random.default_rng(0).standard_normal((300, 56)).astype(np.float32)
    spec = knn.IndexSpec("IVF16,SQ8", 300)
    knn.write_index(knn.build_index(spec, 56, [vectors], vectors), bench.version / "index.faiss")
    bench.rewrite()


def spoil_a_title_and_rewrite(bench: Bench) -> None:
    path = bench.version / "products.parquet"
    table = pq.read_table(path)
    texts = [title.encode() for title in table["title"].to_pylist()]
    spoilt = pa.array([b"\xff\xfe", *texts[1:]]).view(pa.string())
    pq.write_table(table.set_column(table.column_names.index("title"), "title", spoilt), path)
    bench.rewrite()


def swap_the_products(bench: Bench) -> None:
    bench.rewrite_products(np.arange(300)[::-1])


def swap_the_products_and_rewrite(bench: Bench) -> None:
    bench.rewrite_products(np.arange(300)[::-1])
    bench.rewrite()


def drop_a_product_and_rewrite(bench: Bench) -> None:
    bench.rewrite_products(np.arange(299))
    bench.rewrite()


def query_side_of_another_model(bench: Bench) -> None:
    bench.replace_query_side(bench.other_bundle)


def query_side_of_another_model_and_rewrite(bench: Bench) -> None:
    bench.replace_query_side(bench.other_bundle)
    bench.rewrite()


def query_side_of_another_model_and_forge(bench: Bench) -> None:
    bench.replace_query_side(bench.other_bundle)
    bench.rewrite(model=bench.identity_with(open_bundle(bench.other_bundle).query_fingerprint))


def query_side_of_another_width_and_rewrite(bench: Bench) -> None:
    bench.replace_query_side(bench.text_bundle)
    bench.rewrite()


def query_side_of_another_width_and_forge(bench: Bench) -> None:
    bench.replace_query_side(bench.text_bundle)
    bench.rewrite(model=bench.identity_with(open_bundle(bench.text_bundle).query_fingerprint), width=32)


def spoil_the_encoder_and_forge(bench: Bench) -> None:
    (bench.version / "query" / "encoder.onnx").write_bytes(b"no model")
    bench.rewrite()
    files = read_manifest(bench.version).files
    bench.rewrite(model=bench.identity_with(fingerprint_of(files, prefix="query/")))


def remove_the_encoder(bench: Bench) -> None:
    (bench.version / "query" / "encoder.onnx").unlink()


def remove_the_manifest(bench: Bench) -> None:
    (bench.version / "manifest.json").unlink()


def cut_the_manifest(bench: Bench) -> None:
    path = bench.version / "manifest.json"
    path.write_bytes(path.read_bytes()[:200])


def manifest_of_the_future(bench: Bench) -> None:
    bench.rewrite(schema_version=99)


def canaries_of_another_shop(bench: Bench) -> None:
    canaries = read_manifest(bench.version).canaries
    shifted = [canaries[(i + 7) % len(canaries)].product_ids for i in range(len(canaries))]
    mixed = [Canary(query=canary.query, product_ids=ids) for canary, ids in zip(canaries, shifted, strict=True)]
    bench.rewrite(canaries=tuple(mixed))


def no_canaries(bench: Bench) -> None:
    bench.rewrite(canaries=())


def operating_point_of_another_type(bench: Bench) -> None:
    bench.rewrite(index=read_manifest(bench.version).index.model_copy(update={"nprobe": None}))


def _add_column(bench: Bench, name: str, values: pa.Array) -> None:
    path = bench.version / "products.parquet"
    pq.write_table(pq.read_table(path).append_column(name, values), path)
    bench.rewrite()


def times_in_an_unknown_zone(bench: Bench) -> None:
    _add_column(bench, "added", pa.array([datetime.datetime(2026, 1, 1)] * 300, pa.timestamp("us", "Foo/Bar")))


def dates_beyond_the_calendar_in_a_list(bench: Bench) -> None:
    times = pa.array([2**62] * 300, pa.int64()).view(pa.timestamp("us"))
    _add_column(bench, "shown", pa.ListArray.from_arrays(pa.array(np.arange(301), pa.int32()), times))


def photo_encoder_that_is_none_and_forge(bench: Bench) -> None:
    folder, bundle = bench.version / "photo", open_bundle(bench.other_bundle)
    folder.mkdir()
    write_photo_tower(folder, next(tower for tower in bundle.product.towers if isinstance(tower, ClipImageTowerSpec)))
    (folder / "encoder.onnx").write_bytes(b"no model")
    model = read_manifest(bench.version).model
    photo = fingerprint_of(record_files(bench.version), prefix="photo/")
    bench.rewrite(model=model.model_copy(update={"photo_fingerprint": photo}))


def name_of_another_version(bench: Bench) -> None:
    bench.rewrite(version="flat")


def ledger_of_other_photos_and_rewrite(bench: Bench) -> None:
    path = bench.version / "failures.parquet"
    pq.write_table(pq.read_table(path)[:-1], path)
    bench.rewrite()


def keys_of_fewer_products_and_rewrite(bench: Bench) -> None:
    path = bench.version / "keys.npy"
    np.save(path, np.load(path)[:-1])
    bench.rewrite()


def vectors_of_other_towers_and_rewrite(bench: Bench) -> None:
    np.save(bench.version / "towers.npy", np.zeros((300, 40), np.float16))
    bench.rewrite()


def tower_vectors_that_queries_lack_and_rewrite(bench: Bench) -> None:
    np.save(bench.version / "towers.npy", np.zeros((300, 56), np.float16))
    bench.rewrite()


DAMAGES: list[tuple[Callable[[Bench], None], str]] = [
    (flip_a_bit_of_the_index, r"index\.faiss: expected SHA-256"),
    (cut_the_index, r"index\.faiss: expected \d+ bytes, got \d+; the file is damaged"),
    (cut_the_index_and_rewrite, r"index\.faiss: not an index that can be read here"),
    (index_of_fewer_products, "the index has 299 vectors, its manifest says 300"),
    (index_of_other_vectors, "its canary queries find .* expected at least 80%"),
    (spoil_a_title_and_rewrite, r"column title is not valid UTF-8 in row 1 \(product '.*'\)"),
    (swap_the_products, r"products\.parquet"),
    (swap_the_products_and_rewrite, "its canary queries find .* expected at least 80%"),
    (drop_a_product_and_rewrite, r"products\.parquet has 299 rows, the index 300 vectors"),
    (query_side_of_another_model, r"query/.* does not have the SHA-256|query/.* bytes, but"),
    (query_side_of_another_model_and_rewrite, "query side has fingerprint .* but the vectors were made for"),
    (query_side_of_another_model_and_forge, "its canary queries find .* expected at least 80%"),
    (query_side_of_another_width_and_rewrite, "the query side gives width 32, the index has 56"),
    (query_side_of_another_width_and_forge, "the index has width 56, its manifest says 32"),
    (spoil_the_encoder_and_forge, r"encoder\.onnx cannot be loaded as a query encoder"),
    (remove_the_encoder, r"encoder\.onnx is missing"),
    (remove_the_manifest, r"is no index version: it has no manifest\.json"),
    (cut_the_manifest, r"manifest\.json is not readable JSON"),
    (manifest_of_the_future, "has schema version 99, this Vitrine reads 1"),
    (canaries_of_another_shop, "its canary queries find .*the worst is '.*' with 0%"),
    (no_canaries, "has no canary queries to check it with"),
    (operating_point_of_another_type, "expected a value for nprobe with an index of type IVF16,SQ8"),
    (ledger_of_other_photos_and_rewrite, "lists other photos than the manifest counts"),
    (keys_of_fewer_products_and_rewrite, r"keys\.npy has the shape \(299, 2\) for 300 products"),
    (vectors_of_other_towers_and_rewrite, r"towers\.npy has float16 of the shape \(300, 40\), expected .*\(300, 56\)"),
    (
        tower_vectors_that_queries_lack_and_rewrite,
        "keeps tower vectors of products, but its encoder gives none",
    ),
    (times_in_an_unknown_zone, r"no service can load its products: column added of the products, timestamp.*Foo/Bar"),
    (
        dates_beyond_the_calendar_in_a_list,
        "column shown of the products, list<.*, cannot be shown: .*; correct the column",
    ),
    (photo_encoder_that_is_none_and_forge, r"encoder\.onnx cannot be loaded as a photo encoder"),
    (name_of_another_version, "its manifest is that of version 'flat'"),
]


@pytest.mark.parametrize(("damage", "reason"), DAMAGES, ids=[damage.__name__ for damage, _ in DAMAGES])
def test_each_damage_is_refused_with_its_reason(
    bench: Bench, store: Path, damage: Callable[[Bench], None], reason: str
) -> None:
    damage(bench)
    with pytest.raises(VerificationError, match=reason):
        verify_version(Store(store), "ivf")
    verify_version(Store(store), "flat")  # its neighbour is none the worse


@pytest.mark.parametrize(
    ("version", "reason"),
    [("none", "has no version 'none'; it has flat, ivf, low"), ("..", "is no version id")],
)
def test_an_unknown_version_is_the_users_mistake(store: Path, version: str, reason: str) -> None:
    with pytest.raises(StoreError, match=reason):
        verify_version(Store(store), version)


def test_a_product_or_two_out_of_place_are_no_damage(bench: Bench, store: Path) -> None:
    """One product in twenty is expected otherwise, as rounding on another machine may do."""
    canaries = list(read_manifest(bench.version).canaries)
    for i in range(0, len(canaries), 2):
        first, *others = canaries[i].product_ids
        canaries[i] = Canary(query=canaries[i].query, product_ids=("elsewhere", *others))
        assert first not in others
    bench.rewrite(canaries=tuple(canaries))
    assert verify_version(Store(store), "ivf").canary_overlap == pytest.approx(0.95, abs=0.01)


def test_the_record_is_frozen(store: Path) -> None:
    verified = verify_version(Store(store), "flat")
    with pytest.raises(dataclasses.FrozenInstanceError):
        verified.canary_overlap = 0.0  # type: ignore[misc]
