"""BiBERT: a small BERT with two sides that share all weights except LayerNorms and projection.

Source: paper, section 2.2 (2 transformer layers, 4 attention heads). Departures: LayerNorm precedes each block
(pre-LN), which trains from scratch without a long warm-up, and a text is pooled by the mean over its tokens.

Shapes: b batch size, t tokens, w width, h heads, n tokens of all texts together.
"""

from collections.abc import Callable, Iterable
from typing import cast

import torch
from torch import Tensor, nn

from artifacts.tower_specs import BertConfig
from towers.attention import attend_exportably, attend_fast
from towers.packed_texts import PackedTexts
from towers.pooling import masked_mean
from towers.unpadded import UnpaddedTexts, remove_padding


class BertBody(nn.Module):
    """The weights that both sides share: embeddings, attention and feed-forward layers."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocabulary_size, config.width, padding_idx=config.pad_id)
        self.positions = nn.Embedding(config.max_positions, config.width)
        self.layers = nn.ModuleList(BertLayer(config) for _ in range(config.layers))
        nn.init.normal_(self.tokens.weight, std=0.02)
        nn.init.normal_(self.positions.weight, std=0.02)
        with torch.no_grad():
            self.tokens.weight[config.pad_id].zero_()


class BertSide(nn.Module):
    """The weights that each side has for itself: LayerNorms and projection."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.attention_norms = nn.ModuleList(nn.LayerNorm(config.width) for _ in range(config.layers))
        self.feed_forward_norms = nn.ModuleList(nn.LayerNorm(config.width) for _ in range(config.layers))
        self.final_norm = nn.LayerNorm(config.width)
        self.projection = nn.Linear(config.width, config.width)


class BertTower(nn.Module):
    """One side of BiBERT: the shared body with the side's own LayerNorms and projection.

    Args:
        body: weights shared by the towers of both sides.
        side: weights of this tower alone.
    """

    def __init__(self, body: BertBody, side: BertSide) -> None:
        super().__init__()
        self.body = body
        self.side = side

    reads_packed_texts = True  # see forward

    @property
    def config(self) -> BertConfig:
        """Sizes of the tower."""
        return self.body.config

    def other_side(self) -> "BertTower":
        """Return the tower of the model's other side: the same body, with fresh LayerNorms and projection."""
        return BertTower(self.body, BertSide(self.config))

    def forward(self, texts: Tensor | PackedTexts | UnpaddedTexts) -> Tensor:
        """Encode token sequences as vectors that are not normalised.

        Args:
            texts: (b, t) int64, padded with the configuration's pad id, with at least one token per row; or the
                same without padding.

        Returns:
            (b, w)
        """
        if isinstance(texts, PackedTexts):
            mean = self._mean_packed(texts)
        else:
            mean = self._mean_unpadded(texts) if isinstance(texts, UnpaddedTexts) else self._mean_padded(texts)
        projected: Tensor = self.side.projection(mean)
        return projected

    def remove_padding(self, ids: Tensor) -> UnpaddedTexts:
        """Remove the padding of a batch, (b, t) int64."""
        return remove_padding(ids, ids != self.config.pad_id)

    def _mean_padded(self, ids: Tensor) -> Tensor:
        """Return the mean state of each text of a padded batch, (b, w)."""
        real = ids != self.body.config.pad_id
        mask = real[:, None, None, :]  # (b, 1, 1, t): every token attends to all real tokens
        states = self._states(
            ids, torch.arange(ids.shape[1], device=ids.device), lambda layer, states: layer.attend(states, mask)
        )
        return masked_mean(states, real)

    def _mean_unpadded(self, texts: UnpaddedTexts) -> Tensor:
        """Return the mean state of each text without padding, in operations that can be exported, (b, w)."""
        mask = texts.attention_mask(texts.real.shape[1])
        states = self._states(
            texts.ids, texts.positions, lambda layer, states: layer.attend_unpadded(states, texts, mask)
        )
        return masked_mean(texts.with_padding(states), texts.real)

    def _mean_packed(self, texts: PackedTexts) -> Tensor:
        """Return the mean state of each text without padding, (b, w), in the order of the packed texts."""
        states = self._states(texts.ids, texts.positions, lambda layer, states: layer.attend_packed(states, texts))
        return torch.cat([group.mean(dim=1) for group in texts.by_length(states)])

    def _states(self, ids: Tensor, positions: Tensor, attend: Callable[["BertLayer", Tensor], Tensor]) -> Tensor:
        """Return the state of each token after the last layer and its norm: (..., w)."""
        return run_layers(self.body, self.side, self.body.tokens(ids) + self.body.positions(positions), attend)


class BertLayer(nn.Module):
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
        attended: Tensor = self.attention_output(self._mix(self.query_key_value(states), mask))
        return attended

    def attend_unpadded(self, states: Tensor, texts: UnpaddedTexts, mask: Tensor) -> Tensor:
        """Multi-head self-attention within each text: (n, w), the texts' attention mask -> (n, w)."""
        query, key, value = texts.with_padding(self.query_key_value(states)).chunk(3, dim=2)
        mixed = attend_exportably(query, key, value, self.heads, mask)
        attended: Tensor = self.attention_output(texts.without_padding(mixed))
        return attended

    def attend_packed(self, states: Tensor, texts: PackedTexts) -> Tensor:
        """Multi-head self-attention within each text: (n, w) -> (n, w)."""
        groups = texts.by_length(self.query_key_value(states))
        mixed = torch.cat([self._mix(group, None).flatten(0, 1) for group in groups])
        attended: Tensor = self.attention_output(mixed)
        return attended

    def _mix(self, projected: Tensor, mask: Tensor | None) -> Tensor:
        """Apply attention to projected states: (b, t, 3 w) -> (b, t, w)."""
        return attend_fast(*self._split(projected), mask).transpose(1, 2).flatten(2)

    def _split(self, projected: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Split projected states into queries, keys and values by head: (b, t, 3 w) -> each (b, h, t, w / h)."""
        query, key, value = torch.unflatten(projected, 2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return query, key, value

    def feed_forward(self, states: Tensor) -> Tensor:
        """Apply the feed-forward network: (b, t, w) -> (b, t, w)."""
        contracted: Tensor = self.contract(nn.functional.gelu(self.expand(states)))
        return contracted


def run_layers(body: BertBody, side: BertSide, states: Tensor, attend: Callable[[BertLayer, Tensor], Tensor]) -> Tensor:
    """Run all transformer layers and the last LayerNorm.

    Args:
        body: The layers.
        side: The LayerNorms before and after them.
        states: (..., w), the embedded tokens.
        attend: Lets the tokens of a text attend to each other in one layer: layer, (..., w) -> (..., w).

    Returns:
        (..., w)
    """
    layers = cast(Iterable[BertLayer], body.layers)
    for layer, attention_norm, feed_forward_norm in zip(
        layers, side.attention_norms, side.feed_forward_norms, strict=True
    ):
        states = states + attend(layer, attention_norm(states))
        states = states + layer.feed_forward(feed_forward_norm(states))
    final: Tensor = side.final_norm(states)
    return final
