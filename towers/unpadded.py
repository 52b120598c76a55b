"""A batch of texts whose padding no layer computes: how an exported query side reads a batch.

A batch is as long as its longest text: of a shop's queries, 32 at a time, four tokens in ten are padding. Only
attention needs texts side by side; all other layers take one token after the other. Unlike `PackedTexts`, which
training groups by length, this takes the same few steps for every batch, so that it can be exported.

Shapes: b texts, t tokens of the longest, n tokens of all texts together, w width.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from towers.attention import mask_to_bias


@dataclass(frozen=True)
class UnpaddedTexts:
    """Texts one after the other.

    A text without any token has one of padding, so that there is never nothing to compute.

    Attributes:
        ids: (n,) int64 token ids.
        positions: (n,) int64, the place of each token in its text.
        ends: (b,) int64, the last token of each text.
        real: (b, t) bool, where a token stands if the texts stand side by side.
        cells: (n,) int64, where each token stands then, counted row by row.
        tokens: (b, t) int64, which token stands there; any of them where none does.
    """

    ids: Tensor
    positions: Tensor
    ends: Tensor
    real: Tensor
    cells: Tensor
    tokens: Tensor

    def attention_bias(self) -> Tensor:
        """What to add to scores of attention so that no token looks at padding: (b, 1, 1, t), 0 or minus infinity."""
        return mask_to_bias(self.real)[:, None, None, :]

    def with_padding(self, states: Tensor) -> Tensor:
        """What belongs to each token, text by text: (n, w) -> (b, t, w), with anything in the padding."""
        return nn.functional.embedding(self.tokens, states)

    def without_padding(self, states: Tensor) -> Tensor:
        """The same back, without the padding: (b, t, w) -> (n, w)."""
        return states.flatten(0, 1).index_select(0, self.cells)


def remove_padding(ids: Tensor, real: Tensor) -> UnpaddedTexts:
    """The texts of a padded batch.

    Args:
        ids: (b, t) int64 token ids.
        real: (b, t) bool, which of them are no padding: the first ones of each text.
    """
    positions = torch.arange(ids.shape[1], device=ids.device).expand_as(ids)
    taken = real | (positions == 0)
    cells = taken.flatten().nonzero().squeeze(1)
    tokens = (taken.flatten().cumsum(0) - 1).view_as(ids)
    ends = taken.sum(dim=1).cumsum(0) - 1
    ids, positions = (of_cells.flatten().index_select(0, cells) for of_cells in (ids, positions))
    return UnpaddedTexts(ids, positions, ends, real, cells, tokens)
