"""Half precision: converting weights once gives what autocast gives with weights in float32."""

from collections.abc import Iterator

import pytest
import torch
from torch import nn

from artifacts.tower_specs import ClipImageTowerSpec
from tests.support.models import QUERIES, tiny_model, tiny_tokenizers
from towers.clip_image import PhotoBatch
from towers.half_precision import computing_with, convert_weights, half_precision_on
from towers.model import Side


def _vectors(side: Side, context: torch.autocast) -> torch.Tensor:
    """The side's vectors of the queries, as titles with random photos where it reads photos."""
    tokenizers, inputs = tiny_tokenizers(side.spec), {}
    for tower in side.spec.towers:
        if isinstance(tower, ClipImageTowerSpec):
            shape = (len(QUERIES), 3, tower.photo.height, tower.photo.width)
            pixels = torch.randn(shape, generator=torch.Generator().manual_seed(1))
            inputs[tower.name] = PhotoBatch(pixels, torch.ones(len(QUERIES), dtype=torch.bool))
        else:
            inputs[tower.name] = torch.from_numpy(tokenizers[tower.name].encode(QUERIES))
    with torch.inference_mode(), context:
        vectors: torch.Tensor = side(inputs)
        return vectors


@pytest.fixture
def attention_as_on_a_gpu() -> Iterator[None]:
    """Without the kernel that torch takes for attention on a CPU in spite of autocast; on a GPU it does not."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    yield
    torch.backends.mha.set_fastpath_enabled(before)


@pytest.mark.usefixtures("attention_as_on_a_gpu")
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("composition", ["bibert", "cat", "mlp"])
@pytest.mark.parametrize("side_name", ["query", "product"])
def test_converted_weights_give_what_autocast_gives(composition: str, side_name: str, dtype: torch.dtype) -> None:
    side: Side = getattr(tiny_model(composition), side_name)
    exact, expected = _vectors(side, computing_with(side)), _vectors(side, torch.autocast("cpu", dtype))
    convert_weights(side, dtype)
    found = _vectors(side, computing_with(side))
    assert torch.equal(found, expected)
    assert found.dtype == torch.float32
    assert not torch.equal(found, exact)


def test_what_is_not_multiplied_stays_in_float32() -> None:
    side = tiny_model("cat").product
    convert_weights(side, torch.float16)
    exact = [module for module in side.modules() if isinstance(module, nn.LayerNorm | nn.Embedding)]
    assert exact and {weight.dtype for module in exact for weight in module.parameters()} == {torch.float32}
    halved = [module for module in side.modules() if isinstance(module, nn.Linear | nn.Conv2d)]
    assert halved and {weight.dtype for module in halved for weight in module.parameters()} == {torch.float16}


def test_only_gpus_compute_in_half_precision() -> None:
    assert half_precision_on(torch.device("cpu")) == torch.float32
    assert half_precision_on(torch.device("cuda", 1)) == torch.float16


def test_with_weights_in_float32_nothing_changes() -> None:
    with computing_with(tiny_model("bibert").query):
        assert not torch.is_autocast_enabled("cpu")
    with computing_with(nn.Identity()):
        assert not torch.is_autocast_enabled("cpu")
