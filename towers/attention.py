"""Softmax attention in plain operations, for cases where torch's own is slow or exports too many operators.

Shapes: b texts, h heads, t tokens, d width of a head.
"""

import torch
from torch import Tensor


def attend(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None) -> Tensor:
    """Apply softmax attention.

    Args:
        query: (b, h, queries, d).
        key: (b, h, t, d).
        value: (b, h, t, d).
        bias: is added to the scores; broadcast to (b, h, queries, t).

    Returns:
        (b, h, queries, d)
    """
    scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
    if bias is not None:
        scores = scores + bias
    weights = scores.softmax(dim=-1)
    mixed: Tensor = weights.to(value.dtype) @ value
    return mixed


def mask_to_bias(mask: Tensor) -> Tensor:
    """Return a bias of the same shape that limits attention to True positions: 0 there, minus infinity elsewhere."""
    return torch.zeros_like(mask, dtype=torch.float32).masked_fill(~mask, float("-inf"))
