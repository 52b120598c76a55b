"""Updates of a version: as if the changed catalogue had been built, with next to nothing encoded."""

import datetime
import errno
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from artifacts.bundle import open_bundle
from artifacts.errors import DamagedError, FormatError, StoreError
from artifacts.index_version import CURVE_FILE, FAILURES_FILE, KEYS_FILE, PRODUCTS_FILE, open_index_version
from artifacts.manifest import MANIFEST_FILE, read_manifest
from artifacts.records import write_record
from artifacts.store import Store
from index_builder.build import BuildRequest, build_version
from index_builder.core.errors import BuildError
from index_builder.embeddings.embed import EncodingOptions
from index_builder.embeddings.local_engine import LocalEngine
from index_builder.embeddings.pool import RETRIES_FILE, pool_folder
from index_builder.embeddings.retries import Retries
from index_builder.index.base_index import IndexChanges
from index_builder.index.indexing import IndexRequest
from index_builder.new_version import BuiltVersion
from index_builder.photos.download import DownloadSettings
from index_builder.update import UpdateRequest, update_version
from index_builder.versions.ledger import version_failures
from index_builder.versions.verify import verify_version
from knn import VectorIndex, read_index
from tests.index_builder.web import page, serve
from tests.support.photos import noise

FLAT = IndexRequest("Flat")
Update = Callable[..., BuiltVersion]


@pytest.fixture
def rows(catalog: Path) -> list[dict[str, Any]]:
    """The catalogue's products."""
    products: list[dict[str, Any]] = pq.read_table(catalog).to_pylist()
    return products


@pytest.fixture
def update(bundle: Path, catalog: Path, store: Path, tmp_path: Path) -> Update:
    """Change the version "flat"; the file of changes lies far from all photos but those of `tmp_path/changes`."""
    (tmp_path / "changes").mkdir()

    def run(
        changes: list[dict[str, Any]],
        version: str = "new",
        report: Callable[[str], None] = lambda line: None,
        **request: Any,
    ) -> BuiltVersion:
        path = tmp_path / "changes" / f"{version}.parquet"
        schema = pq.read_schema(catalog).append(pa.field("change", pa.string()))
        pq.write_table(pa.Table.from_pylist(changes, schema=schema), path)
        return update_version(
            UpdateRequest(
                **{"bundle": bundle, "changes": path, "store": store, "base": "flat", "version": version} | request
            ),
            report,
        )

    return run


def vectors_of(version: Path) -> np.ndarray:
    opened = open_index_version(version)
    index = read_index(opened.index_path, opened.index_record.sha256, opened.index_record.size_bytes)
    return index.reconstruct(np.arange(index.count))


def upsert(product: dict[str, Any], **values: Any) -> dict[str, Any]:
    return {**product, **values, "change": "upsert"}


def delete(product: dict[str, Any]) -> dict[str, Any]:
    return {"product_id": product["product_id"], "change": "delete"}


def failures_of(store: Path, version: str) -> list[tuple[str, str]]:
    return [(entry.product_id, entry.reason) for entry in version_failures(Store(store), version)]


def test_a_new_price_encodes_nothing(
    update: Update, store: Path, rows: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No photo of the catalogue is at hand, nor are those that could not be used."""
    monkeypatch.setattr(LocalEngine, "__call__", lambda *inputs: pytest.fail("encoded"))
    changes = [upsert(product, price=0.5, in_stock=False) for product in rows[:40]]
    built = update(changes)
    assert (built.encoded, built.manifest.count) == (0, 300)
    old = store / "versions" / "flat"
    np.testing.assert_array_equal(vectors_of(built.path), vectors_of(old))
    assert (built.path / KEYS_FILE).read_bytes() == (old / KEYS_FILE).read_bytes()
    assert version_failures(Store(store), "new") == version_failures(Store(store), "flat")
    assert built.manifest.photos == open_index_version(old).manifest.photos
    products = open_index_version(built.path).products().to_pylist()
    before = [{**product, "image": product["image"] or None} for product in rows]
    assert products == [{**product, "price": 0.5, "in_stock": False} for product in before[:40]] + before[40:]
    assert verify_version(Store(store), "new").canary_overlap == 1.0


def test_a_new_price_shares_all_files_but_products_and_manifest(
    update: Update, store: Path, rows: list[dict[str, Any]]
) -> None:
    """Also when the base version is removed: the links keep the files."""
    built = update([upsert(rows[0], price=0.5)])
    old = store / "versions" / "flat"
    names = {name for name in built.manifest.files if built.path.joinpath(name).samefile(old / name)}
    assert set(built.manifest.files) - names == {PRODUCTS_FILE}
    assert built.manifest.files == {**read_manifest(old).files, PRODUCTS_FILE: built.manifest.files[PRODUCTS_FILE]}
    assert built.manifest.base == "flat"
    shutil.rmtree(old)
    assert verify_version(Store(store), "new").canary_overlap == 1.0


def test_the_file_that_a_symbolic_link_names_is_shared(update: Update, store: Path, rows: list[dict[str, Any]]) -> None:
    old = store / "versions" / "flat"
    (old / KEYS_FILE).rename(old / "moved.npy")
    (old / KEYS_FILE).symlink_to("moved.npy")
    built = update([upsert(rows[0], price=0.5)])
    assert not (built.path / KEYS_FILE).is_symlink()
    assert built.path.joinpath(KEYS_FILE).samefile(old / "moved.npy")
    assert built.manifest.files.keys() == read_manifest(old).files.keys()


def test_files_are_copied_where_the_file_system_has_no_links(
    update: Update, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_link(source: Path, link: Path) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), str(source), None, str(link))

    monkeypatch.setattr(os, "link", no_link)
    built = update([])
    assert not built.path.joinpath(KEYS_FILE).samefile(store / "versions" / "flat" / KEYS_FILE)
    assert verify_version(Store(store), "new").canary_overlap == 1.0


def test_a_file_of_prices_alone_needs_no_other_column(
    bundle: Path, store: Path, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    """Where photos lie makes no difference, not even for those that could not be used."""
    changes = {"product_id": [row["product_id"] for row in rows], "change": ["upsert"] * 300, "price": [0.5] * 300}
    pq.write_table(pa.table(changes), tmp_path / "prices.parquet")
    built = update_version(UpdateRequest(bundle, tmp_path / "prices.parquet", store, "flat", "new"))
    assert built.path.joinpath(KEYS_FILE).samefile(store / "versions" / "flat" / KEYS_FILE)
    assert open_index_version(built.path).products().to_pylist() == [
        {**product, "image": product["image"] or None, "price": 0.5} for product in rows
    ]


def test_another_photo_under_the_same_name_is_encoded(
    update: Update, store: Path, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    (tmp_path / "changes" / "images").mkdir()
    noise(30, 30, seed=9).save(tmp_path / "changes" / rows[20]["image"])
    built = update([upsert(rows[20])])
    assert built.encoded == 1
    assert not built.path.joinpath(KEYS_FILE).samefile(store / "versions" / "flat" / KEYS_FILE)


def index_of(version: Path) -> VectorIndex:
    opened = open_index_version(version)
    return read_index(opened.index_path, opened.index_record.sha256, opened.index_record.size_bytes)


def test_the_index_is_as_the_base_version_has_it(
    update: Update, store: Path, rows: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Type, centres, codes, operating point and target; nothing is trained, and nothing else measured."""
    base = read_manifest(store / "versions" / "ivf").index
    monkeypatch.setattr("knn.build._train", lambda *inputs: pytest.fail("trained"))
    built = update([upsert(rows[0], title="toy pan", image=None), delete(rows[7])], base="ivf")
    index = built.manifest.index
    assert (index.factory, index.nprobe, index.target_recall, index.chosen_count) == (
        "IVF16,SQ8", base.nprobe, base.target_recall, 300,
    )  # fmt: skip
    assert len(index.curve) == 1 and index.reached_target and built.manifest.count == 299
    old, new = index_of(store / "versions" / "ivf"), index_of(built.path)
    centres = [index.faiss_index.quantizer.reconstruct_n(0, 16) for index in (old, new)]
    np.testing.assert_array_equal(*centres)
    expected = index_of(store / "versions" / "ivf")
    expected.faiss_index.reset()
    expected.faiss_index.add(vectors_of(update([delete(rows[7])], "exact").path))
    unchanged = np.arange(1, 299)
    vectors = [index.faiss_index.reconstruct_batch(unchanged) for index in (expected, new)]
    np.testing.assert_allclose(*vectors, atol=1e-6)


def test_another_operating_point_is_chosen_where_that_of_the_base_version_misses(
    update: Update, store: Path, rows: list[dict[str, Any]], rewrite_manifest: Callable[..., None]
) -> None:
    version = store / "versions" / "ivf"
    base = read_manifest(version)
    rewrite_manifest(version, index=base.index.model_copy(update={"nprobe": 1}))
    index = update([delete(rows[7])], base="ivf").manifest.index
    assert index.reached_target and index.nprobe is not None and index.nprobe > 1 and len(index.curve) > 1


def test_a_type_that_was_chosen_is_chosen_again_where_it_misses_the_target(
    update: Update, store: Path, rows: list[dict[str, Any]], rewrite_manifest: Callable[..., None]
) -> None:
    """And a type that was named stays."""
    assert update([delete(rows[7])], "named", base="low").manifest.index.factory == "IVF16,PQ2x4"
    version = store / "versions" / "low"
    base = read_manifest(version)
    rewrite_manifest(version, index=base.index.model_copy(update={"memory_budget_bytes": 10**9}))
    index = update([delete(rows[7])], base="low").manifest.index
    assert (index.factory, index.target_recall, index.reached_target) == ("Flat", 0.999, True)
    assert (index.memory_budget_bytes, index.chosen_count) == (10**9, 299)


def test_what_is_asked_for_is_built(update: Update, store: Path, rows: list[dict[str, Any]]) -> None:
    built = update([], base="ivf", index_changes=IndexChanges("Flat"))
    assert (built.manifest.index.factory, built.manifest.index.memory_budget_bytes) == ("Flat", None)
    nprobe = read_manifest(store / "versions" / "ivf").index.nprobe
    index = update([], "other", base="ivf", index_changes=IndexChanges(target_recall=0.5)).manifest.index
    assert (index.factory, index.target_recall, index.reached_target) == ("IVF16,SQ8", 0.5, True)
    assert index.nprobe is not None and nprobe is not None and index.nprobe < nprobe


def test_an_update_is_what_a_build_of_the_changed_catalogue_is(
    update: Update, bundle: Path, catalog: Path, store: Path, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    """New titles, photos replaced, lost and found, products added and removed, some of those without a usable photo."""
    folder = tmp_path / "changes"
    shop = Path(shutil.copytree(catalog.parent, tmp_path / "shop"))
    shutil.copyfile(catalog.parent.parent / "outside.png", tmp_path / "outside.png")
    for name, seed in (("new.png", 5), ("found.png", 6)):
        noise(30, 30, seed=seed).save(folder / name)
        shutil.copyfile(folder / name, shop / name)
    (folder / "broken.png").write_bytes((folder / "new.png").read_bytes()[:100])
    shutil.copyfile(folder / "broken.png", shop / "broken.png")
    (folder / "images").mkdir()
    shutil.copyfile(shop / rows[30]["image"], folder / rows[30]["image"])
    changes = [
        upsert(rows[20], image="new.png"),
        upsert(rows[3], image="found.png", title="red cap"),  # was missing
        upsert(rows[30], title="toy pan"),  # its photo is at hand
        upsert(rows[31], price=2.0),  # its photo is not, and need not be
        upsert(rows[40], image="no.png"),
        upsert(rows[41], image="broken.png"),
        upsert(rows[42], image=None),
        delete(rows[5]),  # was unreadable
        delete(rows[299]),
        upsert({**rows[50], "product_id": "added"}, title="blue toy"),  # whose photo is not at hand
        upsert({**rows[50], "product_id": "twin"}, image="new.png", title=rows[20]["title"]),
    ]
    built = update(changes)
    expected_rows = slowly_changed(rows, changes)
    pq.write_table(pa.Table.from_pylist(expected_rows, schema=pq.read_schema(catalog)), shop / "catalog.parquet")
    (shop / rows[50]["image"]).rename(shop / "hidden.png")
    shared = [row for row, product in enumerate(expected_rows) if product["image"] == rows[50]["image"]]
    fresh = build_version(BuildRequest(bundle, shop / "catalog.parquet", tmp_path / "fresh", "v", FLAT))
    assert open_index_version(built.path).products().equals(open_index_version(fresh.path).products())
    same = np.setdiff1d(np.arange(built.manifest.count), [row for row in shared if row != len(expected_rows) - 2])
    np.testing.assert_allclose(vectors_of(built.path)[same], vectors_of(fresh.path)[same], atol=2e-6)
    hidden = {expected_rows[row]["product_id"] for row in shared} - {"added"}
    expected = [entry for entry in failures_of(tmp_path / "fresh", "v") if entry[0] not in hidden]
    assert failures_of(store, "new") == expected
    assert built.encoded == 7  # a twin is a twin, and nothing else of the eight new titles and photos was there
    assert built.manifest.photos.absent == 3


def slowly_changed(rows: list[dict[str, Any]], changes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    products = {product["product_id"]: product for product in rows}
    for change in changes:
        if change["change"] == "delete":
            del products[change["product_id"]]
        else:
            products[change["product_id"]] = {name: change[name] for name in rows[0]}
    return list(products.values())


def test_updates_of_updates_and_of_the_published_version(
    update: Update, store: Path, rows: list[dict[str, Any]]
) -> None:
    Store(store).publish("ivf")
    first = update([delete(rows[0])], "first", base=None)
    Store(store).publish("first")
    second = update([delete(rows[1]), upsert(rows[0])], "second", base=None)
    assert (first.manifest.count, second.manifest.count) == (299, 299)
    assert (first.manifest.base, second.manifest.base) == ("ivf", "first")
    ids = open_index_version(second.path).products()["product_id"].to_pylist()
    assert ids == [product["product_id"] for product in [*rows[2:], rows[0]]]
    assert (first.encoded, second.encoded) == (0, 1)  # its photo is not at hand any more: by its title
    assert failures_of(store, "second")[-1] == (rows[0]["product_id"], "missing")


def test_photos_may_lie_elsewhere(update: Update, catalog: Path, rows: list[dict[str, Any]], tmp_path: Path) -> None:
    """Where they are not, a new title costs a product its photo, which is told."""
    changes, told = [upsert(rows[20], title="blue cap"), upsert(rows[21], price=1.0)], list[str]()
    built = update(changes, photos=catalog.parent, report=told.append)
    assert built.encoded == 1
    assert built.manifest.photos.usable == 294
    assert not [line for line in told if "--photos" in line]
    assert update(changes, "without", report=told.append).manifest.photos.usable == 293
    assert [line for line in told if "--photos" in line] == [
        "1 changed products have vectors without photos that cannot be read in "
        f"{tmp_path / 'changes'}, such as {rows[20]['image']} of {rows[20]['product_id']} (missing); --photos names "
        "another folder"
    ]


def test_another_model_is_refused(update: Update, other_bundle: Path, store: Path) -> None:
    with pytest.raises(BuildError, match=r"version flat was built with another model than .*; update it with its own"):
        update([], bundle=other_bundle)
    assert Store(store).version_ids() == ["flat", "ivf", "low"]


def test_a_version_without_keys_is_refused(update: Update, store: Path, rewrite_manifest: Callable[..., None]) -> None:
    (store / "versions" / "flat" / KEYS_FILE).unlink()
    rewrite_manifest(store / "versions" / "flat")
    with pytest.raises(
        BuildError, match="version flat was built before versions could be updated; build it once again"
    ):
        update([])


def test_vectors_that_are_gone_are_told(update: Update, store: Path, rows: list[dict[str, Any]]) -> None:
    for shard in store.rglob("*.shard"):
        shard.unlink()
    with pytest.raises(BuildError, match=r"299 vectors of version flat are no longer in the store.*; build the whole"):
        update([delete(rows[0])])
    assert Store(store).version_ids() == ["flat", "ivf", "low"]


def test_bad_changes_end_before_any_work(update: Update, store: Path, rows: list[dict[str, Any]]) -> None:
    with pytest.raises(FormatError, match="occur more than once"):
        update([delete(rows[0]), delete(rows[0])])
    with pytest.raises(StoreError, match="has no version 'none'"):
        update([], base="none")
    with pytest.raises(StoreError, match="has no published version; name one with --base, or publish one"):
        update([], base=None)
    with pytest.raises(BuildError, match=r"^--photos is none-such, which is no folder$"):
        update([], photos=Path("none-such"))
    with pytest.raises(StoreError, match="has a version 'ivf' already"):
        update([], version="ivf")
    with pytest.raises(BuildError, match="target recall: expected a number above 0"):
        update([], index_changes=IndexChanges(target_recall=2.0))
    assert sorted(path.name for path in (store / "versions").iterdir()) == ["flat", "ivf", "low"]


def test_shared_files_that_are_missing_or_lie_elsewhere_are_told(
    update: Update, store: Path, rows: list[dict[str, Any]], rewrite_manifest: Callable[..., None]
) -> None:
    """Before a link to them is made."""
    version = store / "versions" / "flat"
    manifest = read_manifest(version)
    (version / CURVE_FILE).rename(store / "elsewhere")
    with pytest.raises(DamagedError, match=r"flat/curve\.png is missing; restore the folder or write it again"):
        update([upsert(rows[0], price=0.5)])
    forged = {**manifest.files, "../../elsewhere": manifest.files[CURVE_FILE]}
    del forged[CURVE_FILE]
    write_record(version / MANIFEST_FILE, manifest.model_copy(update={"files": forged, "seal": None}))
    with pytest.raises(DamagedError, match="lies outside of it; do not use this folder"):
        update([upsert(rows[0], price=0.5)])
    assert Store(store).version_ids() == ["flat", "ivf", "low"]


def test_a_forged_ledger_is_not_taken_over(update: Update, store: Path) -> None:
    (store / "versions" / "flat" / FAILURES_FILE).write_bytes(b"")
    with pytest.raises(Exception, match=r"failures\.parquet has 0 bytes"):
        update([])


def retries_of(bundle: Path, store: Path) -> Path:
    return pool_folder(store, open_bundle(bundle).product_fingerprint) / RETRIES_FILE


def test_an_update_tries_photos_again_that_failed_for_a_passing_reason(
    bundle: Path, catalog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a product that the changes do not name; on another day, where they change nothing that is encoded."""
    monkeypatch.setattr("index_builder.photos.download.FIRST_PAUSE_S", 0.001)
    photo = (catalog.parent / "images" / "0.png").read_bytes()
    encoding = EncodingOptions(DownloadSettings(allow_private_addresses=True))
    with serve({"/busy": page(503), "/gone": page(404)}) as web:
        images = [web.url("/busy"), web.url("/gone"), *[None] * 28]
        products = pq.read_table(catalog).slice(0, 30).drop_columns(["image"]).append_column("image", pa.array(images))
        pq.write_table(products, tmp_path / "catalog.parquet")
        build_version(BuildRequest(bundle, tmp_path / "catalog.parquet", tmp_path / "store", "v", FLAT, encoding))
        web.answers.update({"/busy": page(content=photo), "/gone": page(content=photo)})
        pq.write_table(pa.table({"product_id": ["no-such"], "change": ["delete"]}), tmp_path / "changes.parquet")
        told: list[str] = []
        request = UpdateRequest(bundle, tmp_path / "changes.parquet", tmp_path / "store", "v", "w", encoding=encoding)
        today = datetime.datetime.now(datetime.UTC).date()
        keys, retries = tmp_path / "store" / "versions" / "v" / KEYS_FILE, retries_of(bundle, tmp_path / "store")
        Retries(retries).record(np.load(keys)[:1], today)
        assert update_version(replace(request, version="same-day")).path.joinpath(KEYS_FILE).samefile(keys)
        Retries(retries).record(np.load(keys)[:1], today - datetime.timedelta(days=1))
        built = update_version(request, told.append)
    assert (built.encoded, built.manifest.photos.usable, built.manifest.count) == (1, 1, 30)
    assert [reason for _, reason in failures_of(tmp_path / "store", "w")] == ["status-404"]
    assert told[0].endswith("1 of 1 products to delete are not in the version, such as no-such")
