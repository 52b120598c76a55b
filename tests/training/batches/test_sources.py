import copy
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.support.models import tiny_model, tiny_tokenizers
from training.batches.photo_store import PhotoStore
from training.batches.sources import FrozenVectors, Photos, Texts, _augment

TITLES = ["red mug", "a blue dress with dots and stripes", "mug", "chair", "lamp of oak", "red", "blue blue mug", ""]


def test_frozen_vectors_are_looked_up() -> None:
    encoded = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    found = FrozenVectors(encoded).vectors(tiny_model("bibert").product, "bibert", torch.tensor([4, 0, 4]))
    assert np.array_equal(found.numpy(), encoded[[4, 0, 4]])


def test_texts_in_groups_of_like_length_give_what_one_text_alone_gives() -> None:
    side = tiny_model("bibert").product
    tokenizer = tiny_tokenizers(side.spec)["bibert"]
    source = Texts(tokenizer, TITLES)
    rows = torch.tensor([1, 7, 0, 3, 2, 6, 5, 4, 1])
    found = source.vectors(side, "bibert", rows)
    for i, row in enumerate(rows.tolist()):
        alone = side.encode_tower("bibert", torch.from_numpy(tokenizer.encode([TITLES[row]])))
        torch.testing.assert_close(found[i], alone[0], atol=1e-5, rtol=1e-4)
    assert found.requires_grad


def test_photos_of_products_without_one_get_the_no_image_vector(tmp_path: Path) -> None:
    side = tiny_model("clip").product
    photo = side.spec.towers[0].photo  # type: ignore[union-attr]
    size = (4, photo.height, photo.width, 3)
    pixels = np.random.default_rng(1).integers(0, 256, size=size, dtype=np.uint8)
    np.save(tmp_path / "photos.npy", pixels)
    source = Photos(PhotoStore(tmp_path / "photos.npy", np.array([True, False, True, True])), photo)
    found = source.vectors(side, "clip", torch.tensor([3, 1, 0]))
    no_image = torch.nn.functional.normalize(side.towers["clip"].no_image, dim=0)
    torch.testing.assert_close(found[1], no_image)
    assert not torch.allclose(found[0], no_image) and not torch.allclose(found[2], no_image)


def test_photos_go_to_another_process_by_the_place_of_their_file(tmp_path: Path) -> None:
    pixels = np.random.default_rng(2).integers(0, 256, size=(50, 16, 16, 3), dtype=np.uint8)
    np.save(tmp_path / "photos.npy", pixels)
    store = PhotoStore(tmp_path / "photos.npy", np.arange(50) % 2 == 0)
    assert np.array_equal(store.pixels, pixels)
    sent = pickle.dumps(store)  # as processes are given their arguments
    assert len(sent) < pixels.nbytes / 10
    there = copy.copy(store)  # by the same state that is sent
    assert np.array_equal(there.pixels, pixels) and np.array_equal(there.present, store.present)


@pytest.mark.parametrize("seed", range(5))
def test_augmentation_mirrors_and_shifts_and_invents_nothing(seed: int) -> None:
    torch.manual_seed(seed)
    pixels = torch.arange(2 * 20 * 15).reshape(2, 20, 15, 1).repeat(1, 1, 1, 3).to(torch.int32)
    changed = _augment(pixels)
    assert changed.shape == pixels.shape
    for before, after in zip(pixels, changed, strict=True):
        middle = after[10, 7, 0]
        place = (before[:, :, 0] == middle).nonzero()
        assert len(place) == 1  # it comes from the same photo
        row, column = place[0].tolist()
        assert abs(row - 10) <= 3
        assert abs(column - 7) <= 3  # column 7 of 15 is the mirror's axis
    assert torch.equal(_augment_many(pixels), pixels) is False


def _augment_many(pixels: torch.Tensor) -> torch.Tensor:
    return torch.stack([_augment(pixels) for _ in range(8)]).float().mean(dim=0)
