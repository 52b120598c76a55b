"""Several photos of a product: one vector of those that can be used."""

from pathlib import Path

import numpy as np
import pytest

from tests.support.models import tiny_model, tiny_tokenizers
from tests.support.photos import noise, write_photos
from towers.encoding import encode_photos, encode_product_photos
from towers.listed_photos import ListedPhotos
from towers.photos import ABSENT, USABLE
from towers.side_encoder import Products, SideEncoder
from towers.vector_cache import VectorCache


def test_each_product_takes_one_place_or_more() -> None:
    listed = ListedPhotos.of([["a", "b"], [], ["c"]])
    assert listed.images == ["a", "b", None, "c"]
    assert listed.starts.tolist() == [0, 2, 3]
    assert ListedPhotos.of([]).slices() == []


def test_vectors_that_cancel_out_are_the_first_one() -> None:
    vectors = np.array([[1, 0], [-1, 0], [0, 1]], np.float32)
    pooled = ListedPhotos.of([["a", "b"], ["c"]]).pooled(vectors, [USABLE] * 3)
    assert pooled.tolist() == [[1, 0], [0, 1]]


@pytest.fixture
def shop(tmp_path: Path) -> tuple[Path, list[str]]:
    folder = tmp_path / "shop"
    photos = write_photos(folder, 3)
    (folder / "cut.png").write_bytes((folder / photos[0]).read_bytes()[:60])
    return folder, photos


def test_a_product_has_the_mean_direction_of_its_usable_photos(shop: tuple[Path, list[str]]) -> None:
    folder, (one, two, three) = shop
    side = tiny_model("clip").product
    alone = encode_photos(side, folder, [one, two, three, None]).vectors
    photos = [[one, two, "cut.png"], ["cut.png", three], [], ["no.png", "cut.png"], [two]]
    found = encode_product_photos(side, folder, photos)
    mean = alone[0] + alone[1]
    expected = [mean / np.linalg.norm(mean), alone[2], alone[3], alone[3], alone[1]]
    np.testing.assert_allclose(found.vectors, np.stack(expected), atol=1e-6)
    assert found.outcomes == [USABLE, USABLE, ABSENT, "missing", USABLE]


def test_a_further_photo_is_encoded_with_the_product_and_kept_in_the_cache(
    shop: tuple[Path, list[str]], tmp_path: Path
) -> None:
    folder, (one, two, three) = shop
    model = tiny_model("cat")
    encoder = SideEncoder(model.product, tiny_tokenizers(model.product.spec), VectorCache(tmp_path / "cache"))
    first = Products(["cap", "pan"], [one, two], folder)
    several = Products(["cap", "pan"], [one, two], folder, more_images=[[three], []])
    other = Products(["cap", "pan"], [one, three], folder, more_images=[[], [two]])
    vectors = [encoder.products(products) for products in (first, several, other)]
    np.testing.assert_allclose(vectors[0][1], vectors[1][1], atol=1e-6)
    assert not np.allclose(vectors[0][0], vectors[1][0], atol=1e-3)
    assert not np.allclose(vectors[1][1], vectors[2][1], atol=1e-3)
    noise(20, 20, seed=8).save(folder / three)
    assert not np.allclose(encoder.products(several)[0], vectors[1][0], atol=1e-3)
