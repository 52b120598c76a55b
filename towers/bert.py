"""BiBERT: a small BERT with two sides that share all weights except LayerNorms and projection.

Source: paper, section 2.2 (2 transformer layers, 4 attention heads). Departures: LayerNorm comes before
each block (pre-LN), which trains from scratch without a long warm-up, and the sequence is pooled by the
mean over its tokens.

Shapes: b batch size, t tokens, w width, h heads.
"""

from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn

from artifacts.side import BertConfig


class BertBody(nn.Module):
    """The weights that both sides share: embeddings, attention and feed-forward layers."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocabulary_size, config.width, padding_idx=config.pad_id)
        self.positions = nn.Embedding(config.max_positions, config.width)
        self.layers = nn.ModuleList(_Layer(config) for _ in range(config.layers))
        nn.init.normal_(self.tokens.weight, std=0.02)
        nn.init.normal_(self.positions.weight, std=0.02)
        with torch.no_grad():
            self.tokens.weight[config.pad_id].zero_()


class BertSide(nn.Module):
    """What each side owns: its LayerNorms and its projection."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.attention_norms = nn.ModuleList(nn.LayerNorm(config.width) for _ in range(config.layers))
        self.feed_forward_norms = nn.ModuleList(nn.LayerNorm(config.width) for _ in range(config.layers))
        self.final_norm = nn.LayerNorm(config.width)
        self.projection = nn.Linear(config.width, config.width)


class BertTower(nn.Module):
    """One side of BiBERT: the shared body seen through the side's own LayerNorms and projection.

    Args:
        body: shared between the towers of both sides.
        side: owned by this tower.
    """

    def __init__(self, body: BertBody, side: BertSide) -> None:
        super().__init__()
        self.body = body
        self.side = side

    @property
    def config(self) -> BertConfig:
        """The tower's sizes."""
        return self.body.config

    def other_side(self) -> "BertTower":
        """The tower of the model's other side: the same body, and fresh weights of its own."""
        return BertTower(self.body, BertSide(self.config))

    def forward(self, ids: Tensor) -> Tensor:
        """Vectors of token sequences, not normalised.

        Args:
            ids: (b, t) int64, padded with the configuration's pad id; every row has a token.

        Returns:
            (b, w)
        """
        real = ids != self.body.config.pad_id
        positions = torch.arange(ids.shape[1], device=ids.device)
        states = self.body.tokens(ids) + self.body.positions(positions)
        mask = real[:, None, None, :]  # (b, 1, 1, t): every token looks at all real tokens
        layers = cast(Iterable[_Layer], self.body.layers)
        for layer, attention_norm, feed_forward_norm in zip(
            layers, self.side.attention_norms, self.side.feed_forward_norms, strict=True
        ):
            states = states + layer.attend(attention_norm(states), mask)
            states = states + layer.feed_forward(feed_forward_norm(states))
        weights = real.to(states.dtype).unsqueeze(2)  # (b, t, 1)
        mean = (self.side.final_norm(states) * weights).sum(dim=1) / weights.sum(dim=1)
        projected: Tensor = self.side.projection(mean)
        return projected


class _Layer(nn.Module):
    """Attention and feed-forward weights of one transformer layer, without LayerNorms."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.query_key_value = nn.Linear(config.width, 3 * config.width)
        self.attention_output = nn.Linear(config.width, config.width)
        self.expand = nn.Linear(config.width, config.feed_forward)
        self.contract = nn.Linear(config.feed_forward, config.width)

    def attend(self, states: Tensor, mask: Tensor) -> Tensor:
        """Multi-head self-attention: (b, t, w), (b, 1, 1, t) -> (b, t, w)."""
        b, t, w = states.shape
        split = self.query_key_value(states).view(b, t, 3, self.heads, w // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)  # each (b, h, t, w / h)
        mixed = _attention(query, key, value, mask)
        attended: Tensor = self.attention_output(mixed.transpose(1, 2).reshape(b, t, w))
        return attended

    def feed_forward(self, states: Tensor) -> Tensor:
        """(b, t, w) -> (b, t, w)."""
        contracted: Tensor = self.contract(nn.functional.gelu(self.expand(states)))
        return contracted


def _attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    """Softmax attention, each (b, h, t, w / h).

    Written out where a CPU trains in half precision: torch's fused kernel takes four to eight times as
    long there for the short texts of a shop.
    """
    if query.device.type != "cpu" or query.dtype == torch.float32:
        return nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
    weights = scores.masked_fill(~mask, float("-inf")).softmax(dim=-1)
    mixed: Tensor = weights.to(value.dtype) @ value
    return mixed
