"""Sides to and from their folders."""

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from artifacts.bundle import ModelBundle
from artifacts.errors import DamagedError
from artifacts.side import read_side_spec
from artifacts.tower_specs import TowerName
from tests.support.models import COMPOSITIONS, tiny_bundle, tiny_model, tiny_tokenizer
from towers.model import Side
from towers.storage import load_model, load_side, save_side

TOKENIZERS: dict[TowerName, object] = {"bibert": tiny_tokenizer(), "clip": tiny_tokenizer()}


def save(side: Side, folder: Path) -> Path:
    save_side(side, folder, TOKENIZERS)  # type: ignore[arg-type]
    return folder


def same(first: Side, second: Side) -> bool:
    """Whether two sides have the same tensors, to the bit."""
    a, b = first.state_dict(), second.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("composition", COMPOSITIONS)
def test_sides_come_back_to_the_bit(composition: str, tmp_path: Path) -> None:
    model = tiny_model(composition)
    for name, side in (("query", model.query), ("product", model.product)):
        loaded = load_side(save(side, tmp_path / name))
        assert loaded.spec == side.spec
        assert same(loaded, side)
        assert not loaded.training
    assert not same(tiny_model(composition, seed=1).query, model.query)


def test_a_folder_has_a_tokenizer_for_each_text_tower(tmp_path: Path) -> None:
    model = tiny_model("cat")
    query = {entry.name for entry in save(model.query, tmp_path / "query").iterdir()}
    product = {entry.name for entry in save(model.product, tmp_path / "product").iterdir()}
    assert query == {"side.json", "weights.safetensors", "tokenizer-bibert.json", "tokenizer-clip.json"}
    assert product == {"side.json", "weights.safetensors", "tokenizer-bibert.json"}
    assert read_side_spec(tmp_path / "query") == model.query.spec


@pytest.mark.parametrize("composition", ["bibert", "mlp", "3tmm"])
def test_a_loaded_model_still_shares_its_body(composition: str, tmp_path: Path) -> None:
    model = load_model(tiny_bundle(tmp_path / "bundle", composition, export=False))
    assert model.query.towers["bibert"].body is model.product.towers["bibert"].body
    fitted = tiny_model(composition)
    assert same(model.query, fitted.query) and same(model.product, fitted.product)
    assert not model.training


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save(tiny_model("bibert").query, tmp_path / "query")


@pytest.mark.parametrize("content", [None, b"", b"\x08" + bytes(40), b"\x80\x04N."])
def test_weights_that_cannot_be_read_are_damage(folder: Path, content: bytes | None) -> None:
    path = folder / "weights.safetensors"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DamagedError) as caught:
        load_side(folder)
    assert str(caught.value).startswith(f"{path} cannot be loaded as the weights of this side: ")


def test_truncated_weights_are_damage(folder: Path) -> None:
    path = folder / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(DamagedError, match="cannot be loaded as the weights of this side: "):
        load_side(folder)


def changed(folder: Path, name: str, tensor: Tensor | None) -> None:
    weights = load_file(folder / "weights.safetensors")
    del weights[name]
    if tensor is not None:
        weights[name] = tensor
    save_file(weights, folder / "weights.safetensors")


@pytest.mark.parametrize(
    ("tensor", "reason"),
    [
        (None, 'Missing key(s) in state_dict: "towers.bibert.side.projection.bias".'),
        (
            torch.zeros(3),
            "size mismatch for towers.bibert.side.projection.bias: copying a param with shape "
            "torch.Size([3]) from checkpoint, the shape in current model is torch.Size([32]).",
        ),
    ],
    ids=["missing", "misshapen"],
)
def test_weights_of_another_composition_are_damage(folder: Path, tensor: Tensor | None, reason: str) -> None:
    changed(folder, "towers.bibert.side.projection.bias", tensor)
    with pytest.raises(DamagedError) as caught:
        load_side(folder)
    assert str(caught.value) == (
        f"{folder / 'weights.safetensors'} cannot be loaded as the weights of this side: "
        f"Error(s) in loading state_dict for Side: {reason}"
    )


def test_nothing_is_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle: ModelBundle = tiny_bundle(tmp_path / "bundle", "mlp", export=False)
    suffixes = {file.suffix for file in bundle.path.rglob("*") if file.is_file()}
    assert suffixes == {".json", ".safetensors"}

    def refuse(*arguments: object, **options: object) -> object:
        pytest.fail("something was unpickled")

    for module, name in ((torch, "load"), (pickle, "load"), (pickle, "loads"), (pickle, "Unpickler")):
        monkeypatch.setattr(module, name, refuse)
    assert load_model(bundle).query.spec == bundle.query


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_no_numbers_are_refused(tmp_path: Path, value: float) -> None:
    side = tiny_model("alpha").product
    name, weight = next(iter(side.named_parameters()))
    with torch.no_grad():
        weight.view(-1)[-1] = value
    folder = save(side, tmp_path / "product")
    with pytest.raises(DamagedError) as caught:
        load_side(folder)
    assert str(caught.value) == (
        f"{folder / 'weights.safetensors'} has NaN or infinity in {name}, as a training leaves it that diverged; "
        "fit the model again"
    )
