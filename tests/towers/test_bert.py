"""BiBERT: what its sides share, and its forward pass against a second, slow writing."""

import math

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn

from tests.support.models import PAD_ID, shaken, tiny_bert_config, tiny_model
from towers.bert import BertBody, BertSide, BertTower

Array = npt.NDArray[np.float64]
IDS = torch.tensor([[2, 5, 17, 9, 3], [2, 40, 3, PAD_ID, PAD_ID], [2, 3, PAD_ID, PAD_ID, PAD_ID]])


@pytest.fixture
def tower() -> BertTower:
    torch.manual_seed(1)
    config = tiny_bert_config()
    return shaken(BertTower(BertBody(config), BertSide(config)))


def towers_of_both_sides() -> tuple[BertTower, BertTower]:
    model = tiny_model("bibert")
    query, product = model.query.towers["bibert"], model.product.towers["bibert"]
    assert isinstance(query, BertTower) and isinstance(product, BertTower)
    return query, product


def test_the_sides_share_all_but_layer_norms_and_projection() -> None:
    query, product = (dict(tower.named_parameters()) for tower in towers_of_both_sides())
    assert query.keys() == product.keys()
    shared = {name for name in query if query[name] is product[name]}
    assert shared == {name for name in query if name.startswith("body.")}
    assert {name for name in query.keys() - shared} == {
        *(f"side.{kind}_norms.{n}.{p}" for kind in ("attention", "feed_forward") for n in (0, 1) for p in PARTS),
        *(f"side.final_norm.{part}" for part in PARTS),
        *(f"side.projection.{part}" for part in PARTS),
    }
    assert not any(isinstance(module, nn.LayerNorm) for module in towers_of_both_sides()[0].body.modules())


PARTS = ("weight", "bias")


@pytest.mark.parametrize("owner", ["body", "side"])
def test_a_change_of_the_body_changes_both_sides_and_of_a_side_only_its_own(owner: str) -> None:
    query, product = towers_of_both_sides()
    before = query(IDS), product(IDS)
    with torch.no_grad():
        for parameter in getattr(query, owner).parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    assert not torch.allclose(query(IDS), before[0], atol=1e-3)
    assert torch.equal(product(IDS), before[1]) is (owner == "side")


def test_the_sides_give_different_vectors_of_one_text() -> None:
    query, product = towers_of_both_sides()
    assert not torch.allclose(query(IDS), product(IDS), atol=1e-2)


def gelu(x: Array) -> Array:
    return np.vectorize(lambda value: 0.5 * value * (1 + math.erf(value / math.sqrt(2))))(x)


def layer_norm(x: Array, norm: nn.Module) -> Array:
    weight, bias = (getattr(norm, part).detach().double().numpy() for part in PARTS)
    return np.stack([(row - row.mean()) / math.sqrt(row.var() + 1e-5) * weight + bias for row in x])


def linear(x: Array, layer: nn.Module) -> Array:
    weight, bias = (getattr(layer, part).detach().double().numpy() for part in PARTS)
    return np.stack([weight @ row + bias for row in x])


def slow_bert(tower: BertTower, ids: list[int]) -> Array:
    """One text without padding, token by token and head by head, in double precision."""
    config = tower.body.config
    tokens, positions = (table.weight.detach().double().numpy() for table in (tower.body.tokens, tower.body.positions))
    states = np.stack([tokens[token] + positions[place] for place, token in enumerate(ids)])
    size = config.width // config.heads
    for number in range(config.layers):
        layer = tower.body.layers[number]
        joined = linear(layer_norm(states, tower.side.attention_norms[number]), layer.query_key_value)
        query, key, value = np.split(joined, 3, axis=1)
        mixed = np.zeros_like(query)
        for head in range(config.heads):
            part = slice(head * size, (head + 1) * size)
            for place in range(len(ids)):
                scores = [query[place, part] @ key[other, part] / math.sqrt(size) for other in range(len(ids))]
                shares = np.exp(scores) / np.exp(scores).sum()
                mixed[place, part] = sum(share * value[other, part] for other, share in enumerate(shares))
        states = states + linear(mixed, layer.attention_output)
        hidden = gelu(linear(layer_norm(states, tower.side.feed_forward_norms[number]), layer.expand))
        states = states + linear(hidden, layer.contract)
    mean = layer_norm(states, tower.side.final_norm).mean(axis=0)
    return linear(mean[None], tower.side.projection)[0]


def test_vectors_are_those_of_the_slow_writing(tower: BertTower) -> None:
    vectors = tower(IDS).detach().numpy()
    for row, ids in enumerate(IDS.tolist()):
        expected = slow_bert(tower, [token for token in ids if token != PAD_ID])
        np.testing.assert_allclose(vectors[row], expected, atol=2e-5)
        assert np.abs(expected).max() > 0.05, "all is near zero: the comparison shows nothing"


@pytest.mark.parametrize("padding", [1, 4, 9])
def test_padding_never_changes_a_vector(tower: BertTower, padding: int) -> None:
    padded = nn.functional.pad(IDS, (0, padding), value=PAD_ID)
    torch.testing.assert_close(tower(padded), tower(IDS), atol=2e-6, rtol=0)


def test_a_text_alone_has_the_vector_that_it_has_in_a_batch(tower: BertTower) -> None:
    together = tower(IDS)
    for row, ids in enumerate(IDS):
        alone = tower(ids[ids != PAD_ID][None])
        torch.testing.assert_close(alone[0], together[row], atol=2e-6, rtol=0)


def test_the_order_of_words_counts(tower: BertTower) -> None:
    vectors = tower(torch.tensor([[2, 5, 17, 3], [2, 17, 5, 3]]))
    assert not torch.allclose(vectors[0], vectors[1], atol=1e-3)


def test_padding_is_not_learned() -> None:
    body = BertBody(tiny_bert_config())
    assert not body.tokens.weight[PAD_ID].any()
    tower = BertTower(body, BertSide(tiny_bert_config()))
    tower(IDS).sum().backward()
    assert body.tokens.weight.grad is not None
    assert not body.tokens.weight.grad[PAD_ID].any()
    assert body.tokens.weight.grad[5].any()
