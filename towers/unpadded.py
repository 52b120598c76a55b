"""Batches of texts without padding, as an exported query side computes them.

A padded batch is as long as its longest text: in batches of 32 queries of a shop, four tokens in ten are padding. Only
attention needs padded texts; all other layers process tokens independently. Unlike `PackedTexts`, which groups texts by
length for training, the operations here are the same for every batch, so that they can be exported.

Shapes: b texts, t tokens of the longest, n tokens of all texts together, w width.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class UnpaddedTexts:
    """Concatenated texts.

    A text without tokens gets one token of padding, so that there is always something to compute.

    Attributes:
        ids: (n,) int64 token ids.
        positions: (n,) int64, the position of each token in its text.
        ends: (b,) int64, index of the last token of each text.
        real: (b, t) bool, which cells of the padded batch hold a token.
        cells: (n,) int64, the cell of each token in the padded batch, counted row by row.
        tokens: (b, t) int64, index of the token in each cell; any index in cells without one.
    """

    ids: Tensor
    positions: Tensor
    ends: Tensor
    real: Tensor
    cells: Tensor
    tokens: Tensor

    def attention_mask(self, queries: int) -> Tensor:
        """Return the positions that each of so many queries attends to: (b, 1, queries, t) bool, False for padding."""
        return self.real[:, None, None, :].expand(-1, -1, queries, -1)

    def with_padding(self, states: Tensor) -> Tensor:
        """Arrange token states as a padded batch: (n, w) -> (b, t, w), with arbitrary states in the padding."""
        return nn.functional.embedding(self.tokens, states)

    def without_padding(self, states: Tensor) -> Tensor:
        """Remove the padding of a batch of token states: (b, t, w) -> (n, w)."""
        return states.flatten(0, 1).index_select(0, self.cells)


def remove_padding(ids: Tensor, real: Tensor) -> UnpaddedTexts:
    """Remove the padding of a batch.

    Args:
        ids: (b, t) int64 token ids.
        real: (b, t) bool, which of them are real tokens; padding is at the end of each row.
    """
    positions = torch.arange(ids.shape[1], device=ids.device).expand_as(ids)
    taken = real | (positions == 0)
    cells = taken.flatten().nonzero().squeeze(1)
    tokens = (taken.flatten().cumsum(0) - 1).view_as(ids)
    ends = taken.sum(dim=1).cumsum(0) - 1
    ids, positions = (of_cells.flatten().index_select(0, cells) for of_cells in (ids, positions))
    return UnpaddedTexts(ids, positions, ends, real, cells, tokens)
