"""Encoding queries and products with a whole side."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from artifacts.history import ProductHistory
from artifacts.tower_specs import BertTowerSpec, TextInput, TowerName, TowerSpec
from tests.support.models import COMPOSITIONS, tiny_model, tiny_tokenizers
from tests.support.photos import noise, write_photos
from towers import side_encoder
from towers.clip_image import ClipImageTower
from towers.model import Model
from towers.side_encoder import Products, SideEncoder
from towers.vector_cache import VectorCache

QUERIES = ["red shoe", "a", "blue dress", "", "kids toy pan cap"]


@pytest.fixture
def products(tmp_path: Path) -> Products:
    """Four products, the third without a photo and the fourth with a missing one."""
    folder = tmp_path / "shop"
    images = [*write_photos(folder, 2), None, "missing.png"]
    return Products(["red cotton dress", "pan", "blue shoes men", ""], images, folder)


def encoders(model: Model, cache: VectorCache | None = None) -> tuple[SideEncoder, SideEncoder]:
    query, product = (SideEncoder(side, tiny_tokenizers(side.spec), cache) for side in (model.query, model.product))
    return query, product


@pytest.mark.parametrize("composition", COMPOSITIONS)
def test_many_have_the_vectors_that_each_has_alone(composition: str, products: Products) -> None:
    query, product = encoders(tiny_model(composition))
    queries, encoded = query.queries(QUERIES), product.products(products)
    width = query.side.spec.width
    assert (queries.shape, encoded.shape) == ((5, width), (4, width))
    assert queries.dtype == encoded.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(encoded, axis=1), 1, atol=1e-6)
    for text, vector in zip(QUERIES, queries, strict=True):
        np.testing.assert_allclose(query.queries([text])[0], vector, atol=3e-6)
    for title, image, vector in zip(products.titles, products.images, encoded, strict=True):
        alone = product.products(Products([title], [image], products.folder))
        np.testing.assert_allclose(alone[0], vector, atol=3e-6)


def test_a_tower_with_fields_reads_them_after_the_title(products: Products, tmp_path: Path) -> None:
    _, product = encoders(tiny_model("cat"))
    plain = product.products(products)
    side = product.side
    read = side.spec.text_towers[0].text.model_copy(update={"fields": ("colour", "brand")})
    side.spec = side.spec.model_copy(update={"towers": tuple(_reading(tower, read) for tower in side.spec.towers)})
    reader = SideEncoder(side, tiny_tokenizers(side.spec), VectorCache(tmp_path / "cache"))
    coloured = replace(products, columns=pa.table({"colour": ["red", None, "blue", "red"]}))
    assert coloured.texts(("colour", "brand")) == [
        "red cotton dress\ncolour: red", "pan", "blue shoes men\ncolour: blue", "colour: red",
    ]  # fmt: skip
    found = reader.products(coloured)
    as_titles = encoders(tiny_model("cat"))[1].products(replace(products, titles=coloured.texts(("colour", "brand"))))
    np.testing.assert_allclose(found, as_titles, atol=1e-6)
    assert not np.allclose(found[0], plain[0], atol=1e-3)
    np.testing.assert_allclose(found[1], plain[1], atol=1e-6)
    np.testing.assert_array_equal(reader.products(coloured), found)  # from the cache
    np.testing.assert_allclose(reader.products(products), plain, atol=1e-6)  # other texts, so not from it


def _reading(tower: TowerSpec, text: TextInput) -> TowerSpec:
    return tower.model_copy(update={"text": text}) if isinstance(tower, BertTowerSpec) else tower


def test_history_is_added_to_the_fused_vectors(products: Products) -> None:
    _, product = encoders(tiny_model("mlp"))
    plain = product.products(products)
    vectors = np.random.default_rng(3).normal(size=(2, plain.shape[1])).astype(np.float16)
    known = replace(product, history=ProductHistory(pa.array(["d", "b"]), vectors))
    found = known.products(replace(products, product_ids=["a", "b", "c", "d"]))
    sums = plain + np.stack([0 * vectors[0], vectors[1], 0 * vectors[0], vectors[0]]).astype(np.float32)
    np.testing.assert_allclose(found, sums / np.linalg.norm(sums, axis=1, keepdims=True), atol=1e-6)


def test_towers_are_encoded_and_then_fused(products: Products, monkeypatch: pytest.MonkeyPatch) -> None:
    _, product = encoders(tiny_model("mlp"))
    towers = product.product_tower_vectors(products)
    assert {name: vectors.shape for name, vectors in towers.items()} == {"bibert": (4, 32), "clip": (4, 24)}
    whole = product.products(products)
    monkeypatch.setattr(side_encoder, "ROWS_PER_FUSION", 3)
    np.testing.assert_allclose(product.fuse(towers), whole, atol=1e-6)
    swapped: Mapping[TowerName, np.ndarray] = dict(reversed(towers.items()))
    np.testing.assert_allclose(product.fuse(swapped), whole, atol=1e-6)


def test_nothing_gives_nothing(tmp_path: Path) -> None:
    query, product = encoders(tiny_model("cat"))
    assert query.queries([]).shape == (0, 56)
    assert product.products(Products([], [], tmp_path)).shape == (0, 56)


def test_progress_is_told_of_photos(products: Products) -> None:
    done: list[int] = []
    encoders(tiny_model("cat"))[1].products(products, done.append)
    assert done == [4]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which towers have encoded anything."""
    calls: list[str] = []
    texts, photos = side_encoder.encode_texts, side_encoder.encode_product_photos

    def count_texts(*arguments: object, **options: object) -> object:
        calls.append("texts")
        return texts(*arguments, **options)  # type: ignore[arg-type]

    def count_photos(*arguments: object, **options: object) -> object:
        calls.append("photos")
        return photos(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(side_encoder, "encode_texts", count_texts)
    monkeypatch.setattr(side_encoder, "encode_product_photos", count_photos)
    return calls


@pytest.fixture
def cache(tmp_path: Path) -> VectorCache:
    return VectorCache(tmp_path / "cache")


def test_what_was_encoded_is_read_from_the_cache(products: Products, cache: VectorCache, calls: list[str]) -> None:
    plain = encoders(tiny_model("mlp"))[1].products(products)
    assert calls == ["texts", "photos"]
    for _ in range(2):
        cached = encoders(tiny_model("mlp"), cache)[1].products(products)
        np.testing.assert_array_equal(cached, plain)
        assert calls == ["texts", "photos"] * 2
    assert len(list(cache.folder.iterdir())) == 2


def test_a_damaged_entry_is_encoded_again(products: Products, cache: VectorCache, calls: list[str]) -> None:
    product = encoders(tiny_model("mlp"), cache)[1]
    before = product.products(products)
    for entry in cache.folder.iterdir():
        entry.write_bytes(entry.read_bytes()[:-4] + b"\0\0\0\0")
    np.testing.assert_array_equal(product.products(products), before)
    assert calls == ["texts", "photos"] * 2


def test_other_titles_are_encoded_anew_but_not_their_photos(
    products: Products, cache: VectorCache, calls: list[str]
) -> None:
    product = encoders(tiny_model("mlp"), cache)[1]
    product.products(products)
    product.products(Products([*products.titles[:3], "cap"], products.images, products.folder))
    assert calls == ["texts", "photos", "texts"]


def test_a_photo_put_in_anothers_place_is_encoded_anew(
    products: Products, cache: VectorCache, calls: list[str]
) -> None:
    product = encoders(tiny_model("mlp"), cache)[1]
    before = product.products(products)
    noise(31, 9, seed=9).save(products.folder / str(products.images[0]))
    after = product.products(products)
    assert calls == ["texts", "photos", "photos"]
    assert not np.allclose(before[0], after[0], atol=1e-3)
    np.testing.assert_allclose(before[1:], after[1:], atol=1e-6)


def test_a_photo_that_appears_at_last_is_encoded(products: Products, cache: VectorCache, calls: list[str]) -> None:
    product = encoders(tiny_model("mlp"), cache)[1]
    before = product.products(products)
    noise(20, 20, seed=9).save(products.folder / "missing.png")
    assert not np.allclose(before[3], product.products(products)[3], atol=1e-3)
    assert calls == ["texts", "photos", "photos"]


def test_other_weights_are_another_tower(products: Products, cache: VectorCache, calls: list[str]) -> None:
    encoders(tiny_model("mlp"), cache)[1].products(products)
    changed = tiny_model("mlp")
    tower = changed.product.towers["clip"]
    assert isinstance(tower, ClipImageTower)
    with torch.no_grad():
        tower.no_image[0] += 1
    encoders(changed, cache)[1].products(products)
    assert calls == ["texts", "photos", "photos"]


def test_queries_and_titles_are_different_entries(cache: VectorCache, calls: list[str]) -> None:
    query, product = encoders(tiny_model("bibert"), cache)
    first = query.text_vectors("bibert", QUERIES)
    second = product.text_vectors("bibert", QUERIES)
    assert calls == ["texts", "texts"]
    assert not np.allclose(first, second, atol=1e-3)
