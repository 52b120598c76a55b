"""The cross-encoder: padding and batch change nothing, order and text of a token do."""

import pytest
import torch

from tests.support.annotators import tiny_cross_encoder_config
from tests.support.models import shaken
from tests.support.specs import PAD_ID
from towers.bert import BertTower
from towers.cross_encoder import CrossEncoder

IDS = torch.tensor([[2, 3, 5, 2, 4, 6], [2, 7, 2, 8, 0, 0]])
SEGMENTS = torch.tensor([[0, 0, 0, 1, 1, 1], [0, 0, 1, 1, 0, 0]])
POSITIONS = torch.tensor([[0, 1, 2, 0, 1, 2], [0, 1, 0, 1, 0, 0]])


@pytest.fixture
def model() -> CrossEncoder:
    torch.manual_seed(0)
    return shaken(CrossEncoder(tiny_cross_encoder_config(3)))


def test_a_pair_is_the_same_alone_and_padded(model: CrossEncoder) -> None:
    together = model(IDS, SEGMENTS, POSITIONS)
    assert together.shape == (2, 3)
    for row, length in enumerate((6, 4)):
        alone = model(*(part[row : row + 1, :length] for part in (IDS, SEGMENTS, POSITIONS)))
        torch.testing.assert_close(alone[0], together[row])


def test_it_computes_bibert_where_segments_add_nothing(model: CrossEncoder) -> None:
    tower = BertTower(model.body, model.norms)
    with torch.no_grad():
        model.segments.weight.zero_()
    ids = torch.tensor([[2, 9, 4, 5]])
    found = model(ids, torch.zeros_like(ids), torch.arange(4)[None])
    torch.testing.assert_close(found, model.head(torch.nn.functional.gelu(tower(ids))))


@pytest.mark.parametrize("part", [0, 1, 2])
def test_every_input_counts(model: CrossEncoder, part: int) -> None:
    inputs = [IDS.clone(), SEGMENTS.clone(), POSITIONS.clone()]
    inputs[part][0, 2] = 1 if part == 1 else 4
    assert not torch.allclose(model(*inputs)[0], model(IDS, SEGMENTS, POSITIONS)[0], atol=1e-4)


def test_gradients_reach_all_weights_but_those_of_padding(model: CrossEncoder) -> None:
    model(IDS, SEGMENTS, POSITIONS).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert model.body.tokens.weight.grad[PAD_ID].abs().sum() == 0
