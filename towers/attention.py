"""Softmax attention written out, for where torch's own is too slow or is exported in too many steps.

Shapes: b texts, h heads, t tokens, d width of a head.
"""

import torch
from torch import Tensor


def attend(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None) -> Tensor:
    """What each query takes from the values.

    Args:
        query: (b, h, queries, d).
        key: (b, h, t, d).
        value: (b, h, t, d).
        bias: added to the scores, broadcast to (b, h, queries, t).

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
    """What to add to scores so that only tokens marked true are looked at: 0 there, else minus infinity. Same shape."""
    return torch.zeros_like(mask, dtype=torch.float32).masked_fill(~mask, float("-inf"))
