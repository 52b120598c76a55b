"""Batches of texts without padding, for training on texts of many lengths.

Shapes: b texts, n tokens of all texts together.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class PackedTexts:
    """Texts sorted by length and concatenated.

    Attributes:
        ids: (n,) int64 token ids.
        positions: (n,) int64, the position of each token in its text.
        groups: (number of texts, their length) for each length, the shortest first.
    """

    ids: Tensor
    positions: Tensor
    groups: tuple[tuple[int, int], ...]

    def to(self, device: torch.device) -> "PackedTexts":
        """Copy the texts to a device."""
        ids, positions = (part.to(device, non_blocking=True) for part in (self.ids, self.positions))
        return PackedTexts(ids, positions, self.groups)

    def by_length(self, states: Tensor) -> list[Tensor]:
        """Split token states by the length of their texts: (n, w) -> (texts, length, w), a view for each group."""
        parts = torch.split(states, [texts * length for texts, length in self.groups])
        return [part.view(*group, -1) for part, group in zip(parts, self.groups, strict=True)]


def pack_texts(ids: Tensor, lengths: Tensor) -> tuple[PackedTexts, Tensor]:
    """Remove the padding of a batch.

    Args:
        ids: (b, t) token ids, with the padding at the end of each row.
        lengths: (b,) number of real tokens in each row, at least 1.

    Returns:
        The texts, and (b,) the index of each row among them.
    """
    order = lengths.argsort(stable=True)
    ordered = lengths[order]
    real = torch.arange(ids.shape[1]) < ordered[:, None]  # (b, t)
    counts = torch.bincount(ordered)
    groups = tuple((int(count), length) for length, count in enumerate(counts.tolist()) if count)
    positions = torch.arange(ids.shape[1]).expand_as(real)[real]
    return PackedTexts(ids[order][real].long(), positions, groups), order.argsort()
