"""The forward pass of BERT's family on texts without padding, over the modules of transformers.

transformers computes padded batches: of the queries of a shop, four tokens in ten are padding. Its models of these
families have the same structure and the same names: learned positions and token types, and a LayerNorm after each block
(post-LN).

Shapes: n tokens of all texts together, b texts, t tokens, h hidden size.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from towers.attention import attend, attend_fast
from towers.packed_texts import PackedTexts
from towers.pooling import masked_mean
from towers.unpadded import UnpaddedTexts

LAYOUT_FAMILIES = ("bert", "camembert", "roberta", "xlm-roberta")

# Lets the tokens of each text attend to each other: queries, keys, values (n, h), number of heads -> (n, h).
_Attend = Callable[[Tensor, Tensor, Tensor, int], Tensor]


def pool_packed(encoder: nn.Module, texts: PackedTexts, first_position: int, pooling: str) -> Tensor:
    """Return the pooled state of each text, (b, h), in the order of the packed texts.

    Args:
        encoder: transformers' model, of one of LAYOUT_FAMILIES.
        texts: the texts.
        first_position: the number of a text's first position.
        pooling: "mean" or "cls".
    """

    def mix(query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
        mixed = [
            _merge_heads(attend_fast(_split_heads(q, heads), _split_heads(k, heads), _split_heads(v, heads), None))
            for q, k, v in zip(*(texts.by_length(part) for part in (query, key, value)), strict=True)
        ]
        return torch.cat([group.flatten(0, 1) for group in mixed])

    groups = texts.by_length(_run_layers(encoder, texts.ids, texts.positions + first_position, mix))
    return torch.cat([group[:, 0] if pooling == "cls" else group.mean(dim=1) for group in groups])


def pool_unpadded(encoder: nn.Module, texts: UnpaddedTexts, first_position: int, pooling: str) -> Tensor:
    """Return the pooled state of each text in operations that can be exported, (b, h); arguments as `pool_packed`."""
    bias = texts.attention_bias()

    def mix(query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
        q, k, v = (_split_heads(texts.with_padding(part), heads) for part in (query, key, value))
        return texts.without_padding(_merge_heads(attend(q, k, v, bias)))

    states = _run_layers(encoder, texts.ids, texts.positions + first_position, mix)
    if pooling == "cls":
        return states.index_select(0, texts.tokens[:, 0])
    return masked_mean(texts.with_padding(states), texts.real)


def _run_layers(encoder: Any, ids: Tensor, positions: Tensor, mix: _Attend) -> Tensor:
    """Return the state of each token after the last layer: (n,) ids and positions -> (n, h)."""
    embeddings = encoder.embeddings
    words = embeddings.word_embeddings(ids) + embeddings.token_type_embeddings.weight[0]
    states: Tensor = embeddings.LayerNorm(words + embeddings.position_embeddings(positions))
    for layer in encoder.encoder.layer:
        attention, after = layer.attention.self, layer.attention.output
        mixed = mix(
            attention.query(states), attention.key(states), attention.value(states), attention.num_attention_heads
        )
        states = after.LayerNorm(after.dense(mixed) + states)
        expanded = layer.intermediate.intermediate_act_fn(layer.intermediate.dense(states))
        states = layer.output.LayerNorm(layer.output.dense(expanded) + states)
    return states


def _split_heads(states: Tensor, heads: int) -> Tensor:
    """Split states by head: (b, t, h) -> (b, heads, t, h / heads)."""
    return torch.unflatten(states, 2, (heads, -1)).transpose(1, 2)


def _merge_heads(states: Tensor) -> Tensor:
    """Join the heads of states: (b, heads, t, h / heads) -> (b, t, h)."""
    return states.transpose(1, 2).flatten(2)
