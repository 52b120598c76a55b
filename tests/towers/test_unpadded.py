"""Texts one after the other and back, and towers that give the same vectors of them and compute no padding."""

from typing import Any

import pytest
import torch
from torch import nn

from tests.support.models import PAD_ID, shaken, tiny_bert_config, tiny_clip_config
from towers.bert import BertBody, BertSide, BertTower
from towers.clip import build_text_tower
from towers.clip_text import ClipTextTower
from towers.unpadded import UnpaddedTexts, remove_padding

IDS = torch.tensor([[7, 8, 9, 0], [5, 0, 0, 0], [3, 4, 6, 2]])
LENGTHS = [[1], [5], [4, 4], [3, 1, 9, 3, 2, 9, 1, 4]]
END = 45
UNDERSTOOD: list[dict[str, object]] = [{}, {"layers": 1}, {"layers": 3}, {"proj_bias": True}, {"ls_init_value": 0.5}]
OTHERS: list[dict[str, object]] = [
    {"no_causal_mask": True, "pool_type": "first"},
    {"pool_type": "eos", "eos_id": END},
    {"qk_norm": True},
]


def padded(lengths: list[int], end: int | None = None) -> torch.Tensor:
    """Random texts of these lengths, side by side, with an end token if they are to have one."""
    generator = torch.Generator().manual_seed(len(lengths))
    ids = torch.full((len(lengths), max(lengths)), PAD_ID)
    for row, length in enumerate(lengths):
        ids[row, :length] = torch.randint(1, 40, (length,), generator=generator)
        if end is not None:
            ids[row, length - 1] = end
    return ids


def bert() -> BertTower:
    torch.manual_seed(0)
    return shaken(BertTower(BertBody(tiny_bert_config()), BertSide(tiny_bert_config())))


def clip(**options: object) -> ClipTextTower:
    torch.manual_seed(0)
    return shaken(build_text_tower(tiny_clip_config(**options)))


def test_texts_stand_one_after_the_other_in_their_order() -> None:
    texts = remove_padding(IDS, IDS != 0)
    assert texts.ids.tolist() == [7, 8, 9, 5, 3, 4, 6, 2]
    assert texts.positions.tolist() == [0, 1, 2, 0, 0, 1, 2, 3]
    assert texts.ends.tolist() == [2, 3, 7]


def test_what_stood_side_by_side_stands_so_again() -> None:
    texts = remove_padding(IDS, IDS != 0)
    states = torch.arange(8.0)[:, None] * torch.tensor([1.0, 10.0])
    cells = texts.with_padding(states)
    assert cells.shape == (3, 4, 2)
    assert cells[IDS != 0].tolist() == states.tolist()
    assert texts.without_padding(cells).tolist() == states.tolist()


@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
@torch.inference_mode()
def test_bert_gives_the_vectors_of_padded_texts(lengths: list[int]) -> None:
    tower, ids = bert(), padded(lengths)
    texts = tower.remove_padding(ids)
    assert len(texts.ids) == sum(lengths)
    torch.testing.assert_close(tower(texts), tower(ids), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    "options", [{}, {"layers": 1}, {"layers": 3}, {"proj_bias": True}, {"ls_init_value": 0.5}], ids=str
)
@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
@torch.inference_mode()
def test_clip_gives_the_vectors_of_padded_texts(lengths: list[int], options: dict[str, object]) -> None:
    tower, ids = clip(**options), padded(lengths, END)
    texts = tower.remove_padding(ids)
    assert isinstance(texts, UnpaddedTexts) and len(texts.ids) == sum(lengths)
    torch.testing.assert_close(tower(texts), tower(ids), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    "options",
    [{"no_causal_mask": True, "pool_type": "first"}, {"pool_type": "eos", "eos_id": END}, {"qk_norm": True}],
    ids=str,
)
def test_other_forms_of_clip_keep_their_padding(options: dict[str, object]) -> None:
    ids = padded([3, 1, 9], END)
    assert clip(**options).remove_padding(ids) is ids


@torch.inference_mode()
def test_no_layer_computes_padding_and_clips_last_one_only_end_tokens() -> None:
    rows: list[tuple[str, int]] = []

    def note(name: str) -> Any:
        return lambda module, inputs, output: rows.append((name, inputs[0].shape[0]))

    lengths = [3, 1, 9, 3]
    for tower, ids in ((bert(), padded(lengths)), (clip(), padded(lengths, END))):
        for module in tower.modules():
            if isinstance(module, nn.Linear):
                module.register_forward_hook(note(type(tower).__name__))
        tower(tower.remove_padding(ids))
    of_bert, of_clip = ([count for name, count in rows if name == tower] for tower in ("BertTower", "ClipTextTower"))
    assert of_bert == [16] * 8 + [4]  # the last one is the projection
    assert of_clip == [16] * 3 + [4] * 3  # the projections into queries, keys and values are no modules
