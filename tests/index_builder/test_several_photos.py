"""Products of several photos: one vector of those that can be used, and a ledger that names the others."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from artifacts.bundle import open_bundle
from artifacts.catalog import read_catalog
from artifacts.errors import FormatError
from artifacts.index_version import open_index_version
from artifacts.store import Store
from index_builder.build import BuildRequest, build_version
from index_builder.core.failed_photo import FailedPhoto
from index_builder.index.indexing import IndexRequest
from index_builder.update import UpdateRequest, update_version
from index_builder.versions.ledger import version_failures
from index_builder.versions.verify import verify_version
from tests.index_builder.embedding import embed_shop
from tests.support.photos import noise, write_photos
from towers.side_encoder import SideEncoder, products_of
from towers.storage import load_side
from towers.tokens import read_tokenizers

IMAGES = [
    ["A", "B"],
    ["A"],
    ["cut.png", "A"],
    ["no.png", "B", "B"],
    None,
    ["no.png", "cut.png"],
    ["C", "cut.png", "no.png"],
]
FAILED = [
    ("p2", "cut.png", "unreadable"),
    ("p3", "no.png", "missing"),
    ("p5", "no.png", "missing"),
    ("p5", "cut.png", "unreadable"),
    ("p6", "cut.png", "unreadable"),
    ("p6", "no.png", "missing"),
]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """catalog.parquet whose products have lists of photos, some of which cannot be used."""
    folder = tmp_path / "shop"
    photos = dict(zip("ABC", write_photos(folder, 3), strict=True))
    (folder / "cut.png").write_bytes((folder / photos["A"]).read_bytes()[:80])
    lists = [[photos.get(name, name) for name in names] if names else None for names in IMAGES]
    write(folder / "catalog.parquet", lists)
    return folder / "catalog.parquet"


def write(path: Path, lists: list[Any]) -> None:
    table = {
        "product_id": [f"p{row}" for row in range(len(lists))],
        "title": [f"{word} cap" for word in ("red", "blue", "cotton", "kids", "men", "women", "toy")],
        "image": pa.array(lists, pa.list_(pa.string())),
        "price": [1.0] * len(lists),
    }
    pq.write_table(pa.table(table), path)


def expected(bundle: Path, catalog: Path) -> np.ndarray:
    """The vectors of the catalogue as training and evaluation encode them."""
    opened = open_bundle(bundle)
    tokenizers = read_tokenizers(opened.product_folder, opened.product)
    return SideEncoder(load_side(opened.product_folder), tokenizers).products(products_of(read_catalog(catalog)))


def test_vectors_are_of_all_usable_photos_and_the_others_are_named(bundle: Path, shop: Path, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    first = embed_shop(bundle, shop, tmp_path / "store")
    assert first.encoded == 7
    np.testing.assert_allclose(first.products.vectors, expected(bundle, shop), atol=2e-6)
    assert named(first.products.failures) == FAILED
    photos = first.products.photos
    assert (photos.usable, photos.absent, photos.unusable) == (5, 1, {"missing": 1})
    assert photos.further_unusable == {"missing": 2, "unreadable": 3}
    vectors = np.array(first.products.vectors)
    again = embed_shop(bundle, shop, tmp_path / "store")
    assert again.encoded == 0 and named(again.products.failures) == FAILED
    np.testing.assert_array_equal(again.products.vectors, vectors)
    noise(20, 26, seed=77).save(shop.parent / read_catalog(shop).more_images[0][0])  # the photo B
    changed = embed_shop(bundle, shop, tmp_path / "store")
    assert changed.encoded == 2
    np.testing.assert_allclose(changed.products.vectors, expected(bundle, shop), atol=2e-6)
    assert (changed.products.vectors != vectors).any(axis=1).tolist() == [True, False, False, True, *[False] * 3]


def test_a_version_shows_the_first_photo_and_an_update_may_change_the_others(
    bundle: Path, shop: Path, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    built = build_version(BuildRequest(bundle, shop, store, "base", index_request=IndexRequest("Flat")))
    assert named(version_failures(Store(store), "base")) == FAILED
    verify_version(Store(store), "base")
    products = open_index_version(built.path).products()
    a, b, c = photo_names(shop)
    assert products["image"].to_pylist() == [a, a, "cut.png", "no.png", None, "no.png", c]
    assert products["more_images"].to_pylist()[:2] == [[b], None]

    def update(version: str, told: list[str], **columns: Any) -> int:
        path = shop.parent / f"{version}.parquet"
        pq.write_table(pa.table({**columns, "change": ["upsert"] * len(columns["product_id"])}), path)
        return update_version(UpdateRequest(bundle, path, store, "base", version), told.append).encoded

    told = list[str]()
    assert update("same", told, product_id=["p0"], image=[[a, b]]) == 0
    assert "nothing that the model reads was changed: the new version shares the vectors of the base version" in told
    assert update("order", told, product_id=["p0"], image=[[b, a]]) == 1
    assert open_index_version(store / "versions" / "order").products()["image"][0].as_py() == b
    assert update("one", told, product_id=["p0"], title=["blue cap"], image=[a]) == 0  # now it is as the second product
    rows = open_index_version(store / "versions" / "one").products().slice(0, 1).to_pylist()
    assert (rows[0]["image"], rows[0]["more_images"]) == (a, None)
    assert named(version_failures(Store(store), "one")) == FAILED
    with pytest.raises(FormatError, match=r"has the column more_images but no column image; give all photos"):
        update("half", told, product_id=["p0"], more_images=[[b]])


def named(failures: Sequence[FailedPhoto]) -> list[tuple[str, str, str]]:
    return [(photo.product_id, photo.image, photo.reason) for photo in failures]


def photo_names(shop: Path) -> tuple[str, str, str]:
    catalog = read_catalog(shop)
    return str(catalog.images[0]), catalog.more_images[0][0], str(catalog.images[6])


def test_lists_of_one_photo_change_products_that_have_one_each(bundle: Path, shop: Path, tmp_path: Path) -> None:
    a, b, _ = photo_names(shop)
    folder = shop.parent
    plain = folder / "plain.parquet"
    pq.write_table(pa.table({"product_id": ["x", "y"], "title": ["cap", "pan"], "image": [a, b]}), plain)
    build_version(BuildRequest(bundle, plain, tmp_path / "store", "base", index_request=IndexRequest("Flat")))
    changes = folder / "changes.parquet"
    pq.write_table(pa.table({"product_id": ["x"], "image": [[b]], "change": ["upsert"]}), changes)
    built = update_version(UpdateRequest(bundle, changes, tmp_path / "store", "base", "new"))
    assert open_index_version(built.path).products()["image"].to_pylist() == [b, b]
    pq.write_table(pa.table({"product_id": ["x"], "image": [[b, a]], "change": ["upsert"]}), changes)
    with pytest.raises(FormatError, match=r"has the column more_images, which the products of the version have not"):
        update_version(UpdateRequest(bundle, changes, tmp_path / "store", "base", "more"))
