"""Adapters: a fit begins at the pretrained tower, trains nothing else, and leaves merged weights."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from artifacts.dataset import Dataset
from tests.support.encoders import encoder_folder
from tests.support.models import shaken, tiny_clip_config
from tests.training.small_fits import fit_without_export
from towers.clip import build_image_tower, build_text_tower, clip_config
from towers.encoder_folder import load_encoder
from towers.model import Model
from towers.storage import load_model
from towers.tokens import text_tokenizer
from towers.vector_cache import VectorCache
from training.batches.training_data import data_from_dataset
from training.errors import RecipeError
from training.fitting.module import mark_trainable
from training.fitting.preflight import check_request
from training.fitting.request import FitRequest
from training.model.lora import Adapter, add_adapters, freeze_all_but_adapters, merge_adapters
from training.model.start import starting_model
from training.recipes.recipe import Recipe
from training.recipes.towers import LoraRecipe

LORA = LoraRecipe(rank=2, alpha=4)
SIDE = {"towers": ["bibert"]}
OPTIMISATION = {"epochs": 1, "batch_size": 32, "learning_rate": 1e-2}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return encoder_folder(tmp_path_factory.mktemp("encoder") / "bert", "bert", max_position_embeddings=40)


def recipe(encoder: Path, **changes: Any) -> Recipe:
    bibert = {"pretrained": str(encoder), "lora": LORA.model_dump()}
    content = {"name": "lora", "query": SIDE, "product": SIDE, "train": ["bibert"], "bibert": bibert}
    return Recipe.model_validate({**content, "optimisation": OPTIMISATION, **changes})


def values(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def move_adapters(module: nn.Module) -> None:
    """What a fit would do: give each adapter's second matrix other values than zero."""
    for part in module.modules():
        if isinstance(part, Adapter):
            nn.init.normal_(part.up, std=0.1)


def vectors(model: Model, tokenizer: Any) -> Tensor:
    ids = {
        side: torch.from_numpy(text_tokenizer(tokenizer, side.spec.text_towers[0].text).encode(["red mug", "a dress"]))
        for side in (model.query, model.product)
    }
    return torch.cat([side.encode_tower("bibert", ids[side]) for side in ids])


def test_both_sides_begin_at_the_encoder_and_merge_into_it(encoder: Path) -> None:
    torch.manual_seed(0)
    start = starting_model(recipe(encoder), [], {})
    plain = starting_model(recipe(encoder, bibert={"pretrained": str(encoder)}), [], {}).model
    model, tokenizer = start.model.eval(), start.tokenizers["bibert"]
    with torch.no_grad():
        torch.testing.assert_close(vectors(model, tokenizer), vectors(plain.eval(), tokenizer))
        move_adapters(model)
        before = vectors(model, tokenizer)
        assert not torch.allclose(before, vectors(plain, tokenizer), atol=1e-2)
        merge_adapters(model)
        torch.testing.assert_close(vectors(model, tokenizer), before, atol=1e-5, rtol=1e-4)
    found, pretrained = model.state_dict(), plain.state_dict()
    assert found.keys() == pretrained.keys()
    changed = {name for name in found if not torch.equal(found[name], pretrained[name])}
    assert changed == {
        name for name in found if name.endswith(("query.weight", "key.weight", "value.weight", "dense.weight"))
    }
    towers = [side.towers["bibert"] for side in (model.query, model.product)]
    shared = [p is q for p, q in zip(towers[0].parameters(), towers[1].parameters(), strict=True)]
    expected = [p is q for p, q in zip(*(side.parameters() for side in (plain.query, plain.product)), strict=True)]
    assert shared == expected and any(shared)


def test_only_adapters_are_trained(encoder: Path) -> None:
    start = starting_model(recipe(encoder), [], {})
    model = start.model
    mark_trainable(model, ("bibert",))
    before = values(model)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    adapters = [part for part in model.modules() if isinstance(part, Adapter)]
    assert {id(parameter) for parameter in trained} == {id(p) for part in adapters for p in part.parameters()}
    optimiser = torch.optim.Adam(trained, lr=0.01)
    for _ in range(2):  # in the first step the second matrices alone have gradients
        optimiser.zero_grad()
        vectors(model, start.tokenizers["bibert"])[:2].sum().backward()
        optimiser.step()
    changed = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed and all(name.endswith((".down", ".up")) for name in changed)


@torch.no_grad()
def test_clips_towers_have_adapters_too() -> None:
    torch.manual_seed(0)
    text, image = shaken(build_text_tower(tiny_clip_config())), shaken(build_image_tower(tiny_clip_config()))
    ids, pixels = torch.randint(1, 80, (3, 10)), torch.randn(2, 3, 16, 16)
    plain, names = (text(ids), image.encode_pixels(pixels)), {*values(text), *values(image)}
    add_adapters([text, image], LORA)
    torch.testing.assert_close((text(ids), image.encode_pixels(pixels)), plain)
    move_adapters(text)
    move_adapters(image)
    before = text(ids), image.encode_pixels(pixels)
    assert all(not torch.allclose(one, other, atol=1e-3) for one, other in zip(before, plain, strict=True))
    for tower in (text, image):
        freeze_all_but_adapters(tower)
        assert {name.rpartition(".")[2] for name, p in tower.named_parameters() if p.requires_grad} == {"down", "up"}
        merge_adapters(tower)
    torch.testing.assert_close((text(ids), image.encode_pixels(pixels)), before, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(text(text.remove_padding(ids)), text(ids), atol=1e-5, rtol=1e-4)
    assert {*values(text), *values(image)} == names


def test_a_convolutional_tower_cannot_have_adapters() -> None:
    with pytest.raises(RecipeError, match="lora is given for a tower without attention and feed-forward layers"):
        add_adapters([build_image_tower(clip_config("vitrine-small"))], LORA)


def test_a_frozen_tower_and_several_processes_are_refused(encoder: Path, dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="lora is given for bibert, but train does not name it"):
        recipe(encoder, train=[], optimisation=None)
    request = FitRequest(
        recipe(encoder), data_from_dataset(dataset.path), {}, tmp_path / "out", VectorCache(tmp_path), devices=2
    )
    with pytest.raises(RecipeError) as caught:
        check_request(request)
    assert str(caught.value) == (
        "recipe lora trains adapters (lora), which cannot be fitted with --devices 2; leave one of them out"
    )


@pytest.mark.integration
def test_a_fitted_bundle_has_merged_weights(encoder: Path, dataset: Dataset, tmp_path: Path) -> None:
    data = data_from_dataset(dataset.path)
    bundle = fit_without_export(
        FitRequest(recipe(encoder), data, {}, tmp_path / "out", VectorCache(tmp_path / "cache"), steps=3)
    )
    fitted, pretrained = (
        load_model(bundle).query.towers["bibert"].state_dict(),
        load_encoder(encoder).tower.state_dict(),
    )
    assert fitted.keys() == pretrained.keys()
    for name, tensor in fitted.items():
        matrix = name.startswith("encoder.encoder") and "LayerNorm" not in name and name.endswith(".weight")
        assert torch.equal(tensor, pretrained[name]) is not matrix, name
