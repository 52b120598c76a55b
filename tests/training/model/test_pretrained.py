"""Pretrained towers by a recipe's key: a CLIP of open_clip's, and a Hugging Face encoder as BiBERT."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import save_file
from typer.testing import CliRunner

from artifacts.bundle import open_bundle
from artifacts.dataset import Dataset
from artifacts.side import ENCODER_FILE
from artifacts.tower_specs import PretrainedBertTowerSpec
from tests.support.encoders import encoder_folder
from tests.training.small_fits import without_export
from towers.encoder_folder import load_encoder
from towers.query_encoder import OnnxQueryEncoder
from towers.side_encoder import Products, SideEncoder
from towers.storage import load_model, load_side
from towers.tokens import read_tokenizers, text_tokenizer
from training.cli import app
from training.errors import RecipeError
from training.model.pretrained import pretrained_bibert
from training.model.start import starting_model
from training.recipes.recipe import Recipe
from training.recipes.towers import PretrainedBertRecipe

RUNNER = CliRunner()
ARCHITECTURE = "test-tiny-vit"
CONFIG = """{"embed_dim": 32, "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16,
"patch_size": 8}, "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}}"""
OPTIMISATION = {"epochs": 1, "batch_size": 32, "learning_rate": 1e-3, "tower_learning_rate": 1e-4}
TEXT = {
    "name": "mine",
    "query": {"towers": ["bibert"]},
    "product": {"towers": ["bibert"]},
    "train": ["bibert"],
    "optimisation": OPTIMISATION,
}


def write_recipe(path: Path, content: dict[str, Any]) -> str:
    path.write_text(yaml.safe_dump(content))
    return str(path)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return encoder_folder(tmp_path_factory.mktemp("encoder") / "roberta", "roberta", max_position_embeddings=40)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """A tiny CLIP of open_clip's and its checkpoint."""
    folder = tmp_path_factory.mktemp("clip")
    (folder / f"{ARCHITECTURE}.json").write_text(CONFIG)
    open_clip.add_model_config(folder / f"{ARCHITECTURE}.json")
    torch.manual_seed(0)
    model = open_clip.create_model(ARCHITECTURE).eval()
    save_file(model.state_dict(), folder / "clip.safetensors")
    return model, folder / "clip.safetensors"


def test_a_model_starts_as_its_encoder(encoder: Path) -> None:
    recipe = Recipe.model_validate({**TEXT, "bibert": {"pretrained": str(encoder), "query_tokens": 9}})
    start = starting_model(recipe, [], {})
    loaded = load_encoder(encoder)
    for side, tokens in ((start.model.query, 9), (start.model.product, 38)):  # as many as it has
        (spec,) = side.spec.text_towers
        assert isinstance(spec, PretrainedBertTowerSpec) and spec.text.max_tokens == tokens
        ids = torch.from_numpy(text_tokenizer(start.tokenizers["bibert"], spec.text).encode(["red mug", ""]))
        torch.testing.assert_close(side.towers["bibert"](ids), loaded.tower(ids))


@pytest.mark.parametrize("name", ["query_tokens", "title_tokens"])
def test_texts_longer_than_the_encoder_reads_are_refused(encoder: Path, name: str) -> None:
    pretrained_bibert(PretrainedBertRecipe.model_validate({"pretrained": str(encoder), name: 38}))
    with pytest.raises(RecipeError) as caught:
        pretrained_bibert(PretrainedBertRecipe.model_validate({"pretrained": str(encoder), name: 39}))
    assert str(caught.value) == f"{name} is 39, but {encoder} has 38 positions"


@pytest.mark.integration
def test_recipes_with_pretrained_towers_are_fitted_and_served(
    encoder: Path, clip: tuple[Any, Path], dataset: Dataset, tmp_path: Path
) -> None:
    bibert = {"pretrained": str(encoder), "layers": 2, "query_tokens": 12, "title_tokens": 16}
    text = write_recipe(tmp_path / "text.yaml", {**TEXT, "bibert": bibert})
    fusion = {"kind": "mlp", "hidden": 16, "width": 32}
    side = {"towers": ["bibert", "clip"], "fusion": fusion}
    both = write_recipe(
        tmp_path / "both.yaml",
        {**TEXT, "query": side, "product": side, "train": ["fusion"], "bibert": bibert,
         "clip": {"architecture": ARCHITECTURE, "pretrained": str(clip[1])}},
    )  # fmt: skip
    queries, titles = ["a red striped mug", "women's dress", ""], ["Red striped mug", "Dress"]
    vectors = {}
    for name, recipe in (("text", text), ("both", both)):
        out = tmp_path / name
        result = RUNNER.invoke(app, ["fit", recipe, "--data", str(dataset.path), "--out", str(out), "--steps", "3"])
        assert result.exit_code == 0, result.output
        bundle = open_bundle(out)
        model = load_model(bundle)
        query = SideEncoder(model.query, read_tokenizers(bundle.query_folder, bundle.query))
        vectors[name] = OnnxQueryEncoder(bundle.query_folder, bundle.query).encode(queries)
        np.testing.assert_allclose(vectors[name], query.queries(queries), atol=1e-5)
        towers = model.query.towers["bibert"], model.product.towers["bibert"]
        shared = [p is q for p, q in zip(towers[0].parameters(), towers[1].parameters(), strict=True)]
        assert 0 < sum(shared) < len(shared)
        weights, pretrained = towers[0].state_dict(), load_encoder(encoder, layers=2).tower.state_dict()
        same = [torch.equal(weights[key], pretrained[key]) for key in pretrained]
        assert all(same) is (name == "both"), "a tower is changed if, and only if, it is trained"
        if name == "text":
            product = SideEncoder(model.product, read_tokenizers(bundle.product_folder, bundle.product))
            found = product.products(Products(titles, [None, None], tmp_path))
            assert not np.allclose(found[0], found[1], atol=1e-3)
            assert not torch.equal(towers[0].projection.weight, towers[1].projection.weight)
    assert vectors["text"].shape == vectors["both"].shape == (3, 32)


@pytest.mark.integration
def test_the_clip_command_takes_a_checkpoint_and_a_recipe(shop: Path, clip: tuple[Any, Path], tmp_path: Path) -> None:
    model, checkpoint = clip
    given = {"architecture": ARCHITECTURE, "pretrained": str(checkpoint)}
    towers = {"towers": ["clip"]}
    recipe = write_recipe(tmp_path / "dfn.yaml", {"name": "dfn", "query": towers, "product": towers, "clip": given})
    by_options = ["--architecture", ARCHITECTURE, "--pretrained", str(checkpoint)]
    for name, options in (("options", by_options), ("recipe", ["--recipe", recipe])):
        out = tmp_path / name
        with nullcontext() if name == "options" else without_export():  # exports of equal sides are equal
            result = RUNNER.invoke(
                app, ["clip", "--catalog", str(shop / "catalog.parquet"), "--out", str(out), *options]
            )
        assert result.exit_code == 0, result.output
    bundle, by_recipe = open_bundle(tmp_path / "options"), open_bundle(tmp_path / "recipe")
    assert bundle.product_fingerprint == by_recipe.product_fingerprint
    assert all(
        (by_recipe.query_folder / path.name).read_bytes() == path.read_bytes()
        for path in bundle.query_folder.iterdir()
        if path.name != ENCODER_FILE
    )
    assert bundle.card.origin.recipe["clip"] == {**given, "lora": None}

    queries = ["a red striped mug", "women's dress"]
    with torch.no_grad():
        expected = model.encode_text(open_clip.get_tokenizer(ARCHITECTURE)(queries), normalize=True).numpy()
    encoder = OnnxQueryEncoder(bundle.query_folder, bundle.query)
    np.testing.assert_allclose(encoder.encode(queries), expected, atol=1e-5)

    photo = Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 40, 3), dtype=np.uint8))
    photo.save(tmp_path / "photo.png")
    preprocess = open_clip.image_transform(32, is_train=False)
    with torch.no_grad():
        expected = model.encode_image(preprocess(photo)[None], normalize=True).numpy()
    side = SideEncoder(load_side(bundle.product_folder), {})
    found = side.products(Products(titles=["", ""], images=["photo.png", None], folder=tmp_path))
    np.testing.assert_allclose(found[:1], expected, atol=2e-3)
    untouched = torch.full((32,), 32**-0.5)
    assert not np.allclose(found[1], untouched, atol=1e-2), "the 'no image' vector is the catalogue's"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--architecture", "ViT-B-32"], "give --pretrained with --architecture"),
        (["--pretrained", "dfn5b"], "'dfn5b' is no folder with open_clip_config.json and no hf-hub: name"),
        (["--recipe", "{recipe}"], "Error: {encoder} has 4 layers, so the first 5 cannot be kept"),
    ],
)
def test_mistakes_end_in_a_sentence(
    options: list[str], sentence: str, shop: Path, encoder: Path, tmp_path: Path
) -> None:
    bibert = {"pretrained": str(encoder), "layers": 5}
    frozen = {**TEXT, "train": [], "optimisation": None, "bibert": bibert}  # needs no purchases
    places = {"recipe": write_recipe(tmp_path / "deep.yaml", frozen), "encoder": encoder}
    command = ["clip", "--catalog", str(shop / "catalog.parquet"), "--out", str(tmp_path / "out")]
    result = RUNNER.invoke(app, [*command, *(option.format(**places) for option in options)])
    assert result.exit_code == 2
    assert sentence.format(**places) in " ".join(result.output.replace("│", " ").split())
    assert not (tmp_path / "out").exists()
