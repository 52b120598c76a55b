"""The query side on PyTorch gives what ONNX Runtime gives."""

import shutil
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from artifacts.bundle import ModelBundle
from artifacts.errors import DamagedError
from artifacts.tower_specs import TowerName
from tests.support.models import QUERIES
from towers.query_encoder import OnnxQueryEncoder, QueryEncoder
from towers.tokens import TokenIds
from towers.torch_query_encoder import TorchQueryEncoder

Exported = Callable[[str], ModelBundle]
WAIT_SECONDS = 30


@pytest.mark.parametrize("composition", ["bibert", "cat", "mlp"])
def test_both_encoders_give_the_same_vectors(exported: Exported, composition: str) -> None:
    bundle = exported(composition)
    encoders: list[QueryEncoder] = [
        OnnxQueryEncoder(bundle.query_folder, bundle.query),
        TorchQueryEncoder(bundle.query_folder, bundle.query, device="cpu"),
    ]
    assert encoders[0].width == encoders[1].width == bundle.query.width
    for queries in (QUERIES, ["red"], ["x" * 5000], []):
        by_onnx, by_torch = (encoder.encode(queries) for encoder in encoders)
        assert by_onnx.shape == by_torch.shape == (len(queries), bundle.query.width)
        assert by_onnx.dtype == by_torch.dtype == np.float32
        np.testing.assert_allclose(by_torch, by_onnx, atol=2e-6)


@pytest.mark.parametrize("composition", ["bibert", "mlp"])
def test_both_encoders_give_the_same_vectors_of_towers(exported: Exported, composition: str) -> None:
    bundle = exported(composition)
    onnx = OnnxQueryEncoder(bundle.query_folder, bundle.query)
    on_torch = TorchQueryEncoder(bundle.query_folder, bundle.query, device="cpu")
    assert onnx.gives_tower_vectors and on_torch.gives_tower_vectors
    np.testing.assert_allclose(on_torch.encode_tower_vectors(QUERIES), onnx.encode_tower_vectors(QUERIES), atol=2e-6)
    cat = exported("cat")  # whose exports give none
    towers = TorchQueryEncoder(cat.query_folder, cat.query, device="cpu").encode_tower_vectors(QUERIES)
    for where in cat.query.tower_slices.values():
        np.testing.assert_allclose(np.linalg.norm(towers[:, where], axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("file", ["weights.safetensors", "tokenizer-bibert.json"])
def test_a_damaged_file_is_told(exported: Exported, tmp_path: Path, file: str) -> None:
    folder = Path(shutil.copytree(exported("bibert").query_folder, tmp_path / "query"))
    (folder / file).write_bytes(b"damaged")
    with pytest.raises(DamagedError) as caught:
        TorchQueryEncoder(folder, exported("bibert").query, device="cpu")
    assert str(caught.value).startswith(f"{folder / file} cannot be ")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("composition", ["bibert", "cat", "mlp"])
def test_half_precision_costs_little(exported: Exported, composition: str, dtype: torch.dtype) -> None:
    """The tolerance that docs/index-builder.md states for float16; bfloat16 has eight times the steps."""
    bundle = exported(composition)
    exact = TorchQueryEncoder(bundle.query_folder, bundle.query, device="cpu").encode(QUERIES)
    half = TorchQueryEncoder(bundle.query_folder, bundle.query, device="cpu", dtype=dtype).encode(QUERIES)
    np.testing.assert_allclose(np.linalg.norm(half, axis=1), 1, atol=1e-6)
    assert half.dtype == np.float32
    assert (exact * half).sum(axis=1).min() > 1 - (1e-4 if dtype == torch.float16 else 1e-2)


def test_weights_are_halved_once_when_they_are_loaded(exported: Exported, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = exported("mlp")
    encoder = TorchQueryEncoder(bundle.query_folder, bundle.query, device="cpu", dtype=torch.bfloat16)
    multiplied: list[torch.dtype] = []
    linear = torch.nn.functional.linear

    def watched(states: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
        multiplied.append(weight.dtype)
        return linear(states, weight, bias)

    monkeypatch.setattr(torch.nn.functional, "linear", watched)
    encoder.encode(QUERIES)
    assert set(multiplied) == {torch.bfloat16}


class _Device(torch.nn.Module):
    """Stands in for the weights on a device, and records what happens while a batch is computed."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self._width = width
        self.computing, self.most_at_once = 0, 0
        self.entered, self.go_on = threading.Event(), threading.Event()

    def forward(self, ids: dict[str, torch.Tensor]) -> torch.Tensor:
        self.computing += 1
        self.most_at_once = max(self.most_at_once, self.computing)
        self.entered.set()
        assert self.go_on.wait(WAIT_SECONDS), "the next batch was not tokenised while this one was computed"
        self.computing -= 1
        return torch.ones(len(next(iter(ids.values()))), self._width)


def test_the_next_batch_is_tokenised_while_one_is_computed(exported: Exported, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = exported("bibert")
    encoder = TorchQueryEncoder(bundle.query_folder, bundle.query, device="cpu")
    device = _Device(bundle.query.width)
    monkeypatch.setattr(encoder, "_side", device)
    tokenize = encoder._tokenize

    def tokenize_and_say_so(queries: Sequence[str]) -> dict[TowerName, TokenIds]:
        ids = tokenize(queries)
        if queries == ["second"]:
            device.go_on.set()
        return ids

    monkeypatch.setattr(encoder, "_tokenize", tokenize_and_say_so)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(encoder.encode, ["first"])
        assert device.entered.wait(WAIT_SECONDS), "the first batch was not computed"
        second = pool.submit(encoder.encode, ["second"])
        assert first.result(WAIT_SECONDS).shape == second.result(WAIT_SECONDS).shape
    assert device.most_at_once == 1
