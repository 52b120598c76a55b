"""Fingerprints of towers: everything that decides a vector changes them, and nothing else."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from artifacts.tower_specs import ClipImageTowerSpec, TextInput, TowerName
from tests.support.models import tiny_model, tiny_tokenizer, tiny_tokenizers
from towers.clip_image import ClipImageTower
from towers.fingerprint import tower_fingerprint
from towers.model import Model, Side
from towers.storage import load_side, save_side
from towers.tokens import read_tokenizers, text_tokenizer


def fingerprint(model: Model, tower: TowerName = "bibert") -> str:
    return tower_fingerprint(model.product, tower, tiny_tokenizers(model.product.spec).get(tower))


def test_equal_models_have_equal_fingerprints() -> None:
    assert fingerprint(tiny_model("cat")) == fingerprint(tiny_model("cat"))
    assert len(fingerprint(tiny_model("cat"))) == 64


def test_the_fusion_does_not_count() -> None:
    assert fingerprint(tiny_model("cat")) == fingerprint(tiny_model("alpha"))


def test_each_tower_has_its_own() -> None:
    model = tiny_model("cat")
    prints = {fingerprint(model), fingerprint(model, "clip")}
    prints |= {
        tower_fingerprint(model.query, tower, tiny_tokenizers(model.query.spec)[tower])
        for tower in tiny_tokenizers(model.query.spec)
    }
    assert len(prints) == 4


@pytest.mark.parametrize("tower", ["bibert", "clip"])
def test_every_weight_counts(tower: TowerName) -> None:
    model = tiny_model("cat")
    seen = {fingerprint(model, tower)}
    with torch.no_grad():
        for parameter in model.product.towers[tower].parameters():
            parameter.view(-1)[-1] += 1e-6 + parameter.view(-1)[-1].abs() * 1e-6
            seen.add(fingerprint(model, tower))
    assert len(seen) == 1 + len(list(model.product.towers[tower].parameters()))


def test_the_no_image_vector_counts() -> None:
    model = tiny_model("cat")
    before = fingerprint(model, "clip")
    tower = model.product.towers["clip"]
    assert isinstance(tower, ClipImageTower)
    tower.no_image[3] += 1e-3
    assert fingerprint(model, "clip") != before


def test_how_photos_are_read_counts() -> None:
    side = tiny_model("clip").product
    spec = side.spec.towers[0]
    assert isinstance(spec, ClipImageTowerSpec)
    squashed = spec.model_copy(update={"photo": spec.photo.model_copy(update={"resize_mode": "squash"})})
    other = Side(side.spec.model_copy(update={"towers": (squashed,)}), {"clip": side.towers["clip"]})
    assert tower_fingerprint(other, "clip", None) != tower_fingerprint(side, "clip", None)


def drop_a_word(text: str) -> str:
    return text.replace('"red"', '"rot"')


def drop_lower_casing(text: str) -> str:
    return text.replace('"lowercase":true', '"lowercase":false')


@pytest.mark.parametrize("change", [drop_a_word, drop_lower_casing])
def test_the_tokenizer_counts(change: Callable[[str], str]) -> None:
    model = tiny_model("cat")
    text = TextInput(max_tokens=14, pad_id=0)
    before = tower_fingerprint(model.product, "bibert", text_tokenizer(tiny_tokenizer(), text))
    changed_text = change(tiny_tokenizer().to_str())
    assert changed_text != tiny_tokenizer().to_str(), "the change changes nothing"
    changed = text_tokenizer(type(tiny_tokenizer()).from_str(changed_text), text)
    assert tower_fingerprint(model.product, "bibert", changed) != before
    assert tower_fingerprint(model.product, "bibert", None) != before


@pytest.mark.parametrize("composition", ["bibert", "mlp"])
def test_it_is_the_same_after_saving_and_loading(composition: str, tmp_path: Path) -> None:
    names: tuple[TowerName, ...] = ("bibert", "clip")
    for side in (tiny_model(composition).query, tiny_model(composition).product):
        folder = tmp_path / str(id(side))
        save_side(side, folder, {name: tiny_tokenizer() for name in names})
        loaded, tokenizers = load_side(folder), read_tokenizers(folder, side.spec)
        for tower in side.spec.towers:
            before = tower_fingerprint(side, tower.name, tiny_tokenizers(side.spec).get(tower.name))
            assert tower_fingerprint(loaded, tower.name, tokenizers.get(tower.name)) == before
