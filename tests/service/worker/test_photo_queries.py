"""How a version makes queries of photos, and why others do not."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from artifacts.errors import MismatchError
from artifacts.index_version import IndexVersion, open_index_version
from artifacts.store import Store
from service.core.device import Device
from service.core.errors import NoPhotoSearchError, QueryError
from service.protocol.queries import Page, PhotoQuery, SearchQuery
from service.worker.batch_executor import answer_batch
from service.worker.loaded_version import load_version
from service.worker.memory import needed_bytes
from service.worker.photo_queries import PhotoQueries, load_photo_queries
from service.worker.ranking import Ranking
from tests.service.photo_shop import PRODUCTS, PhotoShop
from tests.service.stand_ins import results_of, stand_in_version
from tests.support.specs import tiny_sides


def opened(shop: PhotoShop) -> IndexVersion:
    return open_index_version(shop.store / "versions" / "v1")


@pytest.fixture
def photos(alpha_shop: PhotoShop) -> PhotoQueries:
    made = load_photo_queries(opened(alpha_shop), 1, wanted=True)
    assert isinstance(made, PhotoQueries)
    return made


def test_the_query_is_the_photo_in_its_part_alone(alpha_shop: PhotoShop, photos: PhotoQueries) -> None:
    pixels = photos.decode(alpha_shop.photo(4))
    vector = photos.encode(pixels)
    assert (vector.shape, vector.dtype) == ((56,), np.float32)
    assert not vector[:32].any()
    np.testing.assert_allclose(vector[32:] * photos.part.weight, photos.encoder.encode([pixels])[0], atol=1e-6)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"no picture at all", r"^image is no picture: it begins with b'no picture at al'$"),
        (b"\x89PNG\r\n\x1a\n", r"^image is no readable picture: "),
        (b"\xff\xd8\xff\xe0", r"^image is no readable picture: its header is broken$"),
    ],
)
def test_what_is_no_photo_is_refused_in_words(photos: PhotoQueries, content: bytes, reason: str) -> None:
    with pytest.raises(QueryError, match=reason):
        photos.decode(content)


@pytest.mark.parametrize(
    ("composition", "reason"),
    [
        ("bibert", "the served model, alpha, has no CLIP on its query side"),
        ("3tmm", "the served model, alpha, has no CLIP on its query side"),
        ("mlp", "the served model, alpha, mixes title and photo, so that a photo alone has no vector in its space"),
    ],
)
def test_models_without_a_place_for_photos_say_why(alpha_shop: PhotoShop, composition: str, reason: str) -> None:
    other = dataclasses.replace(opened(alpha_shop), query=tiny_sides(composition)[0])
    refused = load_photo_queries(other, 1, wanted=True)
    assert isinstance(refused, NoPhotoSearchError) and reason in str(refused)
    assert "serve a model of CLIP alone (clip) or of a concatenation" in str(refused)


def test_a_version_without_an_encoder_tells_the_remedy(alpha_shop: PhotoShop) -> None:
    refused = load_photo_queries(dataclasses.replace(opened(alpha_shop), photo=None), 1, wanted=True)
    assert isinstance(refused, NoPhotoSearchError)
    assert "version v1 holds no photo encoder" in str(refused)
    assert "`python -m training add-photo-encoder`" in str(refused)


def test_where_they_are_off_nothing_is_loaded(alpha_shop: PhotoShop) -> None:
    elsewhere = dataclasses.replace(opened(alpha_shop), path=Path("/nowhere"))
    refused = load_photo_queries(elsewhere, 1, wanted=False)
    assert isinstance(refused, NoPhotoSearchError)
    assert str(refused) == "searches by photo are off: VITRINE_PHOTO_SEARCH turns them on"


def test_an_encoder_of_another_width_is_refused(alpha_shop: PhotoShop) -> None:
    bert, clip = tiny_sides("alpha")[0].towers
    config = clip.config.model_copy(update={"model": {**clip.config.model, "embed_dim": 25}})  # type: ignore[union-attr]
    side = tiny_sides("alpha")[0].model_copy(update={"towers": (bert, clip.model_copy(update={"config": config}))})
    with pytest.raises(MismatchError, match="its photo encoder gives no vectors of width 25; build it again"):
        load_photo_queries(dataclasses.replace(opened(alpha_shop), query=side), 1, wanted=True)


def test_the_encoder_counts_where_it_is_loaded(alpha_shop: PhotoShop) -> None:
    version = opened(alpha_shop)
    size = sum(path.stat().st_size for path in version.photo_folder.iterdir())
    assert needed_bytes(version, True) - needed_bytes(version, False) == 3 * size


def test_a_photo_that_cannot_be_used_fails_alone(alpha_shop: PhotoShop) -> None:
    version = load_version(Store(alpha_shop.store), "v1", device=Device.CPU, encoder_threads=1)
    page = Page(2)
    queries = [PhotoQuery(alpha_shop.photo(0), page), PhotoQuery(b"no picture", page), SearchQuery("red shoe", page)]
    photo, broken, text = results_of(queries, version)
    assert isinstance(photo, Ranking) and photo.rows[0] == 0
    assert isinstance(broken, QueryError)
    assert isinstance(text, Ranking) and len(text.rows) == 2
    assert answer_batch(queries, version).seconds.decode > 0


def test_a_version_that_takes_no_photos_says_so(alpha_shop: PhotoShop) -> None:
    (refused,) = results_of([PhotoQuery(alpha_shop.photo(0), Page(1))], stand_in_version())
    assert isinstance(refused, NoPhotoSearchError)


def test_pages_of_a_photo_are_parts_of_one_list(alpha_shop: PhotoShop) -> None:
    version = load_version(Store(alpha_shop.store), "v1", device=Device.CPU, encoder_threads=1)
    content = alpha_shop.photo(2)
    queries = [PhotoQuery(content, page) for page in (Page(PRODUCTS), Page(4), Page(PRODUCTS, 4))]
    whole, first, rest = (result for result in results_of(queries, version) if isinstance(result, Ranking))
    assert whole.rows.tolist() == [*first.rows, *rest.rows]
    cosines = alpha_shop.cosines(alpha_shop.folder / "images" / "2.png")
    np.testing.assert_allclose(whole.scores, cosines[whole.rows], atol=2e-5)
