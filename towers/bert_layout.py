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

from towers.attention import attend_exportably, attend_fast
from towers.packed_texts import PackedTexts
from towers.pooling import masked_mean
from towers.unpadded import UnpaddedTexts

LAYOUT_FAMILIES = ("bert", "camembert", "roberta", "xlm-roberta")

# Lets the tokens of each text attend to each other: queries, keys and values side by side (n, 3 h), number of heads
# -> (n, h).
_Attend = Callable[[Tensor, int], Tensor]


def pool_packed(encoder: nn.Module, texts: PackedTexts, first_position: int, pooling: str) -> Tensor:
    """Return the pooled state of each text, (b, h), in the order of the packed texts.

    Args:
        encoder: transformers' model, of one of LAYOUT_FAMILIES.
        texts: the texts.
        first_position: the number of a text's first position.
        pooling: "mean" or "cls".
    """

    def mix(projected: Tensor, heads: int) -> Tensor:
        mixed = []
        for group in texts.by_length(projected):
            query, key, value = torch.unflatten(group, 2, (3, heads, -1)).permute(2, 0, 3, 1, 4)
            mixed.append(attend_fast(query, key, value, None).transpose(1, 2).flatten(2).flatten(0, 1))
        return torch.cat(mixed)

    groups = texts.by_length(_run_layers(encoder, texts.ids, texts.positions + first_position, mix))
    return torch.cat([group[:, 0] if pooling == "cls" else group.mean(dim=1) for group in groups])


def pool_unpadded(encoder: nn.Module, texts: UnpaddedTexts, first_position: int, pooling: str) -> Tensor:
    """Return the pooled state of each text in operations that can be exported, (b, h); arguments as `pool_packed`."""
    mask = texts.attention_mask(texts.real.shape[1])

    def mix(projected: Tensor, heads: int) -> Tensor:
        query, key, value = texts.with_padding(projected).chunk(3, dim=2)
        return texts.without_padding(attend_exportably(query, key, value, heads, mask))

    states = _run_layers(encoder, texts.ids, texts.positions + first_position, mix)
    if pooling == "cls":
        return states.index_select(0, texts.tokens[:, 0])
    return masked_mean(texts.with_padding(states), texts.real)


def _run_layers(encoder: Any, ids: Tensor, positions: Tensor, mix: _Attend) -> Tensor:
    """Return the state of each token after the last layer: (n,) ids and positions -> (n, h)."""
    embeddings = encoder.embeddings
    places = embeddings.position_embeddings.weight + embeddings.token_type_embeddings.weight[0]
    states: Tensor = embeddings.LayerNorm(embeddings.word_embeddings(ids) + nn.functional.embedding(positions, places))
    for layer in encoder.encoder.layer:
        attention, after = layer.attention.self, layer.attention.output
        mixed = mix(_project(attention, states), attention.num_attention_heads)
        states = after.LayerNorm(after.dense(mixed) + states)
        expanded = layer.intermediate.intermediate_act_fn(layer.intermediate.dense(states))
        states = layer.output.LayerNorm(layer.output.dense(expanded) + states)
    return states


def _project(attention: Any, states: Tensor) -> Tensor:
    """Project states to queries, keys and values in one product, (n, h) -> (n, 3 h)."""
    parts = (attention.query, attention.key, attention.value)
    weights, biases = torch.cat([part.weight for part in parts]), torch.cat([part.bias for part in parts])
    return nn.functional.linear(states, weights, biases)
