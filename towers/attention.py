"""Softmax attention in other forms than torch's own, for cases where that is slow or exports too many operators.

Shapes: b texts, h heads, t tokens, d width of a head.
"""

import torch
from torch import Tensor, nn


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


def attend_exportably(query: Tensor, key: Tensor, value: Tensor, heads: int, mask: Tensor) -> Tensor:
    """Apply multi-head softmax attention to padded texts, as a single operator of an exported graph.

    In plain operations it would be ten for each layer, which cost a lone query more than its attention.

    Args:
        query: (b, queries, heads * d).
        key: (b, t, heads * d).
        value: (b, t, heads * d).
        heads: h.
        mask: bool, the positions that are attended to, or float, added to the scores: (queries, t) or
            (b, 1, queries, t).

    Returns:
        (b, queries, heads * d)
    """
    mixed: Tensor = torch.onnx.ops.attention(query, key, value, mask, q_num_heads=heads, kv_num_heads=heads)[0]
    return mixed


def attend_fast(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    """Apply softmax attention in the way that is fastest for the tensors' device and number type.

    In half precision on a CPU torch's fused kernel is not used: for the short texts of a shop it takes four to eight
    times as long.

    Args:
        query: (b, h, queries, d).
        key: (b, h, t, d).
        value: (b, h, t, d).
        mask: bool, the positions that are attended to; broadcast to (b, h, queries, t); None: all.

    Returns:
        (b, h, queries, d)
    """
    if query.device.type != "cpu" or query.dtype == torch.float32:
        return nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    return attend(query, key, value, None if mask is None else mask_to_bias(mask))


def mask_to_bias(mask: Tensor) -> Tensor:
    """Return a bias of the same shape that limits attention to True positions: 0 there, minus infinity elsewhere."""
    return torch.zeros_like(mask, dtype=torch.float32).masked_fill(~mask, float("-inf"))
