"""Encoding many texts or photos: order, outcomes, and that no photo stops the others."""

from pathlib import Path

import numpy as np
import pytest
import torch

from artifacts.tower_specs import PhotoInput
from tests.support.models import tiny_model, tiny_tokenizers
from tests.support.photos import noise, write_photos
from towers import encoding
from towers.clip_image import ClipImageTower, PhotoBatch
from towers.encoding import (
    decode_batches,
    decode_photo,
    device_of,
    encode_decoded,
    encode_photos,
    encode_texts,
)
from towers.model import Side
from towers.photos import ABSENT, USABLE, load_photo
from towers.pixels import normalise_photos

TEXTS = ["red shoe", "a", "blue cotton dress for women and kids", "", "pan", "red shoe", "cap toy men"]


@pytest.fixture(scope="module")
def side() -> Side:
    """The product side of a two-tower model, with a "no image" vector of its own."""
    side = tiny_model("cat").product
    tower = side.towers["clip"]
    assert isinstance(tower, ClipImageTower)
    tower.no_image.copy_(torch.randn(24, generator=torch.manual_seed(5)))
    return side


def photo_input(side: Side) -> PhotoInput:
    return side.spec.towers[1].photo  # type: ignore[union-attr]


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "TEXTS_PER_BATCH", 3)
    monkeypatch.setattr(encoding, "PHOTOS_PER_BATCH", 3)


@torch.inference_mode()
def test_texts_keep_their_order(side: Side, small_batches: None) -> None:
    tokenizer = tiny_tokenizers(side.spec)["bibert"]
    done: list[int] = []
    vectors = encode_texts(side, "bibert", tokenizer, TEXTS, done.append)
    assert (vectors.shape, vectors.dtype) == ((7, 32), np.float32)
    for text, vector in zip(TEXTS, vectors, strict=True):
        alone = side.encode_tower("bibert", torch.from_numpy(tokenizer.encode([text])))
        np.testing.assert_allclose(vector, alone[0].numpy(), atol=2e-6)
    assert done == [3, 3, 1]
    assert len(np.unique(vectors.round(4), axis=0)) == 6, "different texts got the same vector"


def test_no_texts_give_no_vectors(side: Side) -> None:
    assert encode_texts(side, "bibert", tiny_tokenizers(side.spec)["bibert"], []).shape == (0, 32)


def shop(folder: Path) -> list[str | None]:
    """Photos of eight products, of which four cannot be used."""
    good = write_photos(folder, 4)
    (folder / "broken.png").write_bytes((folder / good[0]).read_bytes()[:200])
    return [good[0], None, good[1], "missing.png", "https://shop/a.png", "broken.png", good[2], good[3], ""]


OUTCOMES = [USABLE, ABSENT, USABLE, "missing", "url", "unreadable", USABLE, USABLE, ABSENT]


@torch.inference_mode()
@pytest.mark.parametrize("threads", [1, 3])
def test_photos_that_cannot_be_used_never_stop_the_others(
    side: Side, tmp_path: Path, small_batches: None, threads: int
) -> None:
    images, done = shop(tmp_path), list[int]()
    encoded = encode_photos(side, tmp_path, images, threads=threads, progress=done.append)
    assert encoded.outcomes == OUTCOMES
    assert (encoded.vectors.shape, encoded.vectors.dtype) == ((9, 24), np.float32)
    assert done == [3, 3, 3]
    tower = side.towers["clip"]
    assert isinstance(tower, ClipImageTower)
    no_image = torch.nn.functional.normalize(tower.no_image, dim=0).numpy()
    for image, outcome, vector in zip(images, OUTCOMES, encoded.vectors, strict=True):
        expected = no_image
        if outcome == USABLE:
            pixels = torch.from_numpy(load_photo(tmp_path / str(image), photo_input(side)).copy())
            batch = PhotoBatch(normalise_photos(pixels[None], photo_input(side)), torch.tensor([True]))
            expected = side.encode_tower("clip", batch)[0].numpy()
        np.testing.assert_allclose(vector, expected, atol=2e-6)


def test_no_more_is_taken_of_a_stream_than_was_asked_for(side: Side, tmp_path: Path, small_batches: None) -> None:
    images = shop(tmp_path)
    stream = iter([decode_photo(tmp_path, image, photo_input(side)) for image in images])
    first, second = encode_decoded(side, stream, 4), encode_decoded(side, stream, 5)
    assert first.outcomes + second.outcomes == OUTCOMES
    whole = encode_photos(side, tmp_path, images)
    np.testing.assert_allclose(np.concatenate([first.vectors, second.vectors]), whole.vectors, atol=2e-6)


def test_a_shop_without_any_photo_is_encoded(side: Side, tmp_path: Path) -> None:
    encoded = encode_photos(side, tmp_path, [None, "missing.png"])
    assert encoded.outcomes == [ABSENT, "missing"]
    np.testing.assert_array_equal(encoded.vectors[0], encoded.vectors[1])


def test_no_products_give_no_vectors(side: Side, tmp_path: Path) -> None:
    encoded = encode_photos(side, tmp_path, [])
    assert (encoded.vectors.shape, encoded.outcomes) == ((0, 24), [])


def test_batches_are_decoded_in_order(side: Side, tmp_path: Path, small_batches: None) -> None:
    images = shop(tmp_path)
    batches = list(decode_batches(tmp_path, images, photo_input(side), threads=4))
    assert [len(batch) for batch in batches] == [3, 3, 3]
    decoded = [pair for batch in batches for pair in batch]
    assert [outcome for _, outcome in decoded] == OUTCOMES
    for image, (pixels, outcome) in zip(images, decoded, strict=True):
        if outcome == USABLE:
            assert pixels is not None
            np.testing.assert_array_equal(pixels, load_photo(tmp_path / str(image), photo_input(side)))
        else:
            assert pixels is None


def test_the_rest_is_left_undecoded_when_the_reader_stops(side: Side, tmp_path: Path, small_batches: None) -> None:
    batches = decode_batches(tmp_path, shop(tmp_path), photo_input(side), threads=1)
    assert len(next(batches)) == 3
    batches.close()  # type: ignore[attr-defined]
    assert list(batches) == []


@pytest.mark.parametrize(
    ("image", "outcome"),
    [(None, ABSENT), ("", ABSENT), ("../x.png", "outside"), ("x\0", "unreadable"), ("x" * 300, "unreadable")],
)
def test_each_reason_is_told(side: Side, tmp_path: Path, image: str | None, outcome: str) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    noise(4, 4).save(tmp_path / "x.png")
    assert decode_photo(folder, image, photo_input(side)) == (None, outcome)


def test_the_device_is_where_the_weights_are(side: Side) -> None:
    assert device_of(side) == torch.device("cpu")
    assert device_of(tiny_model("cat").to("meta").query) == torch.device("meta")
