"""Texts without padding: the same tokens, and the same vectors and gradients as with padding."""

import pytest
import torch

from artifacts.tower_specs import BertConfig
from towers.bert import BertBody, BertSide, BertTower
from towers.packed_texts import pack_texts

CONFIG = BertConfig(vocabulary_size=50, max_positions=9, pad_id=0, width=16, layers=2, heads=4, feed_forward=32)


def padded(lengths: list[int]) -> torch.Tensor:
    generator = torch.Generator().manual_seed(len(lengths))
    ids = torch.zeros(len(lengths), 9, dtype=torch.int32)
    for row, length in enumerate(lengths):
        ids[row, :length] = torch.randint(1, 50, (length,), generator=generator)
    return ids


def test_tokens_stand_text_after_text_the_shortest_first() -> None:
    ids = torch.tensor([[7, 8, 9], [5, 0, 0], [3, 4, 6], [2, 0, 0]])
    packed, places = pack_texts(ids, torch.tensor([3, 1, 3, 1]))
    assert packed.ids.tolist() == [5, 2, 7, 8, 9, 3, 4, 6]
    assert packed.positions.tolist() == [0, 0, 0, 1, 2, 0, 1, 2]
    assert packed.groups == ((2, 1), (2, 3))
    assert places.tolist() == [2, 0, 3, 1]


@pytest.mark.parametrize("lengths", [[1], [9, 9, 9], [3, 1, 9, 3, 2, 9, 1, 4]])
def test_vectors_and_gradients_are_those_of_padded_texts(lengths: list[int]) -> None:
    torch.manual_seed(0)
    tower = BertTower(BertBody(CONFIG), BertSide(CONFIG))
    ids = padded(lengths)
    packed, places = pack_texts(ids, torch.tensor(lengths))
    answers, gradients = [], []
    for vectors in (tower(ids.long()), tower(packed)[places]):
        tower.zero_grad()
        (vectors * torch.arange(16)).sin().sum().backward()
        answers.append(vectors.detach())
        gradients.append([parameter.grad.clone() for parameter in tower.parameters() if parameter.grad is not None])
    torch.testing.assert_close(answers[1], answers[0], rtol=1e-4, atol=1e-5)
    assert len(gradients[0]) == len(list(tower.parameters()))
    for of_packed, of_padded in zip(gradients[1], gradients[0], strict=True):
        torch.testing.assert_close(of_packed, of_padded, rtol=1e-3, atol=1e-4)


def test_half_precision_on_a_cpu_is_near_float32() -> None:
    torch.manual_seed(0)
    tower = BertTower(BertBody(CONFIG), BertSide(CONFIG))
    ids = padded([3, 1, 9, 3, 2])
    packed, places = pack_texts(ids, torch.tensor([3, 1, 9, 3, 2]))
    with torch.autocast("cpu", torch.bfloat16):
        halves = [tower(ids.long()), tower(packed)[places]]
    for half in halves:
        torch.testing.assert_close(half.float(), tower(ids.long()), rtol=0.1, atol=0.1)
