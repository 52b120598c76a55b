"""The query side on PyTorch gives what ONNX Runtime gives."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from artifacts.bundle import ModelBundle
from artifacts.errors import DamagedError
from tests.support.models import QUERIES
from towers.query_encoder import OnnxQueryEncoder, QueryEncoder
from towers.torch_query_encoder import TorchQueryEncoder

Exported = Callable[[str], ModelBundle]


@pytest.mark.parametrize("composition", ["bibert", "cat", "mlp"])
def test_both_encoders_give_the_same_vectors(exported: Exported, composition: str) -> None:
    bundle = exported(composition)
    encoders: list[QueryEncoder] = [
        OnnxQueryEncoder(bundle.query_folder, bundle.query),
        TorchQueryEncoder(bundle.query_folder, bundle.query, device="cpu"),
    ]
    assert encoders[0].width == encoders[1].width == bundle.query.width
    for queries in (QUERIES, ["red"], ["x" * 5000], []):
        onnx, torch = (encoder.encode(queries) for encoder in encoders)
        assert onnx.shape == torch.shape == (len(queries), bundle.query.width)
        assert onnx.dtype == torch.dtype == np.float32
        np.testing.assert_allclose(torch, onnx, atol=2e-6)


@pytest.mark.parametrize("composition", ["bibert", "mlp"])
def test_both_encoders_give_the_same_vectors_of_towers(exported: Exported, composition: str) -> None:
    bundle = exported(composition)
    onnx = OnnxQueryEncoder(bundle.query_folder, bundle.query)
    torch = TorchQueryEncoder(bundle.query_folder, bundle.query, device="cpu")
    assert onnx.gives_tower_vectors and torch.gives_tower_vectors
    np.testing.assert_allclose(torch.encode_tower_vectors(QUERIES), onnx.encode_tower_vectors(QUERIES), atol=2e-6)
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
