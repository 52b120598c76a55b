import copy
import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from artifacts.side import NoFusion, SideSpec
from artifacts.tower_specs import PretrainedBertTowerSpec, TextInput
from tests.support.encoders import encoder_folder
from tests.support.models import shaken, tiny_clip_specs, tiny_model, tiny_photo_input, tiny_tokenizers
from tests.support.photos import write_photos
from towers.clip_image import PhotoBatch
from towers.encoder_folder import load_encoder
from towers.model import Side, build_side
from towers.photos import load_photo
from towers.side_encoder import Products
from towers.tokens import text_tokenizer
from training.batches.photo_store import PhotoStore, decode_catalog
from training.batches.sources import FieldTexts, FrozenVectors, Photos, RewordedTexts, Texts, _augment

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


def test_texts_of_a_tower_that_reads_its_padding_keep_it() -> None:
    spec = SideSpec(towers=(tiny_clip_specs(no_causal_mask=True, pool_type="last")[0],), fusion=NoFusion())
    side = shaken(build_side(spec))
    tokenizer = tiny_tokenizers(spec)["clip"]
    assert tokenizer.text.fixed_length
    found = Texts(tokenizer, TITLES).vectors(side, "clip", torch.tensor([3, 1]))
    for vector, title in zip(found, (TITLES[3], TITLES[1]), strict=True):
        alone = side.encode_tower("clip", torch.from_numpy(tokenizer.encode([title])))
        torch.testing.assert_close(vector, alone[0], atol=1e-5, rtol=1e-4)


def test_texts_of_a_pretrained_bert_are_trained_without_padding(tmp_path: Path) -> None:
    loaded = load_encoder(encoder_folder(tmp_path / "bert", "bert"))
    text = TextInput(max_tokens=12, pad_id=loaded.tower.config.pad_id)
    spec = SideSpec(towers=(PretrainedBertTowerSpec(config=loaded.tower.config, text=text),), fusion=NoFusion())
    side, tokenizer = Side(spec, {"bibert": loaded.tower}), text_tokenizer(loaded.tokenizer, text)
    rows = torch.tensor([1, 7, 0, 3])
    found = Texts(tokenizer, TITLES).vectors(side, "bibert", rows)
    expected = side.encode_tower("bibert", torch.from_numpy(tokenizer.encode([TITLES[row] for row in rows])))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    found.sum().backward()
    assert all(parameter.grad is not None for parameter in side.parameters())
    with torch.autocast("cpu", torch.bfloat16):
        rounded = Texts(tokenizer, TITLES).vectors(side, "bibert", rows)
    assert torch.nn.functional.cosine_similarity(rounded, expected).min() > 0.999


def test_photos_of_products_without_one_get_the_no_image_vector(tmp_path: Path) -> None:
    side = tiny_model("clip").product
    photo = side.spec.towers[0].photo  # type: ignore[union-attr]
    size = (4, photo.height, photo.width, 3)
    pixels = np.random.default_rng(1).integers(0, 256, size=size, dtype=np.uint8)
    np.save(tmp_path / "photos.npy", pixels)
    source = Photos(PhotoStore(tmp_path / "photos.npy", np.array([0, 1, 1, 2, 3])), photo)
    found = source.vectors(side, "clip", torch.tensor([3, 1, 0]))
    no_image = torch.nn.functional.normalize(side.towers["clip"].no_image, dim=0)
    torch.testing.assert_close(found[1], no_image)
    assert not torch.allclose(found[0], no_image) and not torch.allclose(found[2], no_image)


def test_a_step_draws_one_of_the_photos_of_a_product(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    one, two, three = write_photos(folder, 3)
    products = Products(["a", "b", "c"], [one, None, "no.png"], folder, more_images=[[two, "no.png"], [], [three]])
    photo = tiny_photo_input()
    store = decode_catalog(products, photo, tmp_path)
    assert store.starts.tolist() == [0, 2, 2, 3]
    wanted = [load_photo(folder / name, photo) for name in (one, two, three)]
    torch.manual_seed(3)
    drawn = [store.drawn(np.array([2, 0, 1])) for _ in range(40)]
    assert all(present.tolist() == [True, True, False] for _, present in drawn)
    assert all(np.array_equal(pixels[0], wanted[2]) for pixels, _ in drawn)
    firsts = [np.array_equal(pixels[1], wanted[0]) for pixels, _ in drawn]
    assert all(first or np.array_equal(pixels[1], wanted[1]) for first, (pixels, _) in zip(firsts, drawn, strict=True))
    assert 10 < sum(firsts) < 30


def test_photos_go_to_another_process_by_the_place_of_their_file(tmp_path: Path) -> None:
    pixels = np.random.default_rng(2).integers(0, 256, size=(50, 16, 16, 3), dtype=np.uint8)
    np.save(tmp_path / "photos.npy", pixels)
    store = PhotoStore(tmp_path / "photos.npy", np.arange(51))
    assert np.array_equal(store.pixels, pixels)
    sent = pickle.dumps(store)  # as processes are given their arguments
    assert len(sent) < pixels.nbytes / 10
    there = copy.copy(store)  # by the same state that is sent
    assert np.array_equal(there.pixels, pixels) and np.array_equal(there.starts, store.starts)


def test_augmentation_mirrors_and_shifts_and_invents_nothing() -> None:
    torch.manual_seed(0)
    pixels = torch.arange(60 * 20 * 15).reshape(60, 20, 15, 1).repeat(1, 1, 1, 3).to(torch.int32)
    changed = _augment(pixels)
    assert changed.shape == pixels.shape
    mirrored = []
    for before, after in zip(pixels[:, :, :, 0].tolist(), changed[:, :, :, 0].tolist(), strict=True):
        place = {value: (row, column) for row, values in enumerate(before) for column, value in enumerate(values)}
        row, column = place[after[10][7]]  # it comes from the same photo
        assert abs(row - 10) <= 3
        assert abs(column - 7) <= 3  # column 7 of 15 is the mirror's axis
        right = place[after[10][8]]  # the pixel to the right comes from the right, or from the left of a mirrored photo
        assert right in ((row, column + 1), (row, column - 1))
        mirrored.append(right == (row, column - 1))
    assert 15 < sum(mirrored) < 45  # half of the photos, each by its own


def test_shifts_differ_by_batch_and_reach_three_pixels() -> None:
    torch.manual_seed(1)
    pixels = torch.arange(20 * 15).reshape(1, 20, 15, 1).repeat(1, 1, 1, 3).to(torch.int32)
    rows = {int(_augment(pixels)[0, 10, 7, 0]) // 15 for _ in range(200)}
    assert rows == set(range(7, 14))


class WatchedSide(torch.nn.Module):
    """A side that keeps the photos which its tower is given."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.seen: list[torch.Tensor] = []

    def encode_tower(self, name: str, tower_input: PhotoBatch) -> torch.Tensor:
        self.seen.append(tower_input.pixels)
        return self.weight.expand(len(tower_input.pixels), 1)


def test_a_tower_is_trained_on_photos_and_on_mirrored_ones(tmp_path: Path) -> None:
    photo = tiny_model("clip").product.spec.towers[0].photo  # type: ignore[union-attr]
    pixels = np.zeros((60, photo.height, photo.width, 3), np.uint8)
    pixels[:, :, : photo.width // 2] = 255  # white to the left, black to the right
    np.save(tmp_path / "photos.npy", pixels)
    source, side = Photos(PhotoStore(tmp_path / "photos.npy", np.arange(61)), photo), WatchedSide()
    torch.manual_seed(2)
    source.vectors(side, "clip", torch.arange(60))  # type: ignore[arg-type]
    (given,) = side.seen  # (n, 3, h, w)
    half = given.shape[3] // 2
    mirrored = given[..., :half].mean(dim=(1, 2, 3)) < given[..., half:].mean(dim=(1, 2, 3))
    assert 15 < int(mirrored.sum()) < 45


def field_source(dropout: float, **columns: list[str | None]) -> tuple[Side, FieldTexts]:
    spec = tiny_model("bibert").product.spec
    (tower,) = spec.text_towers
    read = tower.model_copy(update={"text": tower.text.model_copy(update={"fields": tuple(columns)})})
    side = build_side(spec.model_copy(update={"towers": (read,)})).eval()
    products = Products(TITLES, [None] * 8, Path(), columns=pa.table(columns))
    return side, FieldTexts(tiny_tokenizers(side.spec)["bibert"], products.text_parts(tuple(columns)), dropout)


def test_a_step_reads_each_field_or_leaves_it_out_and_always_something() -> None:
    _, source = field_source(0.4, colour=["red"] * 7 + [None], kind=["cap"] * 8)
    torch.manual_seed(5)
    drawn = [source.drawn_texts(torch.tensor([0, 7])) for _ in range(2000)]
    first, last = zip(*drawn, strict=True)
    assert set(last) == {"", "kind: cap"}  # it has neither title nor colour
    shares = {text: first.count(text) / 2000 for text in set(first)}
    whole = "red mug\ncolour: red\nkind: cap"
    assert shares[whole] == pytest.approx(0.6 * 0.6 * 0.96, abs=0.04)
    assert shares["red mug"] == pytest.approx(0.4 * 0.4, abs=0.03)  # a title alone is never left out
    assert shares["red mug\nkind: cap"] == pytest.approx(0.24 * 0.96, abs=0.03)
    assert shares["colour: red"] == pytest.approx(0.24 * 0.04, abs=0.01)
    assert sum(shares.values()) == pytest.approx(1) and len(shares) == 7


def test_what_a_step_reads_is_what_the_tower_encodes() -> None:
    side, source = field_source(0.5, colour=["red", "blue"] * 4)
    rows = torch.tensor([1, 7, 0, 3])
    torch.manual_seed(6)
    texts = source.drawn_texts(rows)
    torch.manual_seed(6)
    found = source.vectors(side, "bibert", rows)
    for vector, text in zip(found, texts, strict=True):
        alone = side.encode_tower("bibert", torch.from_numpy(source.tokenizer.encode([text])))
        torch.testing.assert_close(vector, alone[0], atol=1e-5, rtol=1e-4)
    assert found.requires_grad


def test_in_another_process_texts_are_read_alike() -> None:
    _, source = field_source(0.0, colour=["[PAD] red"] * 8)
    sent = copy.deepcopy(source)  # by the same state that another process is given
    rows = torch.arange(8)
    assert sent.drawn_texts(rows) == source.drawn_texts(rows)
    texts = source.drawn_texts(rows)
    assert np.array_equal(sent.tokenizer.encode(texts), source.tokenizer.encode(texts))


def test_a_step_rewords_its_share_of_the_queries_and_reads_the_others_as_they_are() -> None:
    side = build_side(tiny_model("bibert").query.spec)
    queries = ["red striped mug", "oak chair", "floral dress"]
    source = RewordedTexts(tiny_tokenizers(side.spec)["bibert"], queries, 0.4)
    rows = torch.tensor([2, 0] * 500)
    torch.manual_seed(3)
    drawn = source.drawn_texts(rows)
    same = [text == queries[row] for row, text in zip(rows.tolist(), drawn, strict=True)]
    assert 0.55 < sum(same) / len(same) < 0.75  # a rule that does not apply leaves a query as it is
    torch.manual_seed(3)
    assert source.drawn_texts(rows) == drawn
    torch.manual_seed(3)
    found = source.vectors(side, "bibert", rows[:6])
    torch.manual_seed(3)
    read = Texts(source.tokenizer, source.drawn_texts(rows[:6])).vectors(side, "bibert", torch.arange(6))
    torch.testing.assert_close(found, read)
