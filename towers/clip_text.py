"""CLIP's text encoder as a tower. It is given open_clip's network; `towers/clip.py` builds it.

The vector of a text is the state of its end token. For texts without padding, the last layer therefore needs keys and
values of all tokens, but everything else only of the end tokens. With two layers and six tokens per text this saves a
third of the computation.

Shapes: b texts, t tokens of the longest, n tokens of all texts together, w width, d CLIP's embedding width.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from towers.attention import attend_exportably
from towers.unpadded import UnpaddedTexts, remove_padding

if TYPE_CHECKING:  # open_clip takes seconds to load; whoever built the text encoder has loaded it
    from open_clip.transformer import ResidualAttentionBlock, TextTransformer


class ClipTextTower(nn.Module):
    """CLIP's text encoder."""

    reads_packed_texts = False

    def __init__(self, text: "TextTransformer") -> None:
        super().__init__()
        self.text = text

    def forward(self, texts: Tensor | UnpaddedTexts) -> Tensor:
        """Encode token sequences as vectors that are not normalised: (b, t) int64, or without padding -> (b, d)."""
        text = self.text
        pooled = _end_states(text, texts) if isinstance(texts, UnpaddedTexts) else self._pooled(texts)
        if text.text_projection is None:
            return pooled
        if isinstance(text.text_projection, nn.Linear):
            projected: Tensor = text.text_projection(pooled)
            return projected
        return torch.matmul(pooled, text.text_projection)

    def remove_padding(self, ids: Tensor) -> Tensor | UnpaddedTexts:
        """Remove the padding of a batch, (b, t) int64, unless this kind of encoder needs it."""
        from open_clip.transformer import ResidualAttentionBlock

        text = self.text
        plain = all(type(block) is ResidualAttentionBlock for block in text.transformer.resblocks)
        if text.attn_mask is None or text.pool_type != "argmax" or not plain:
            return ids
        ends = ids.argmax(dim=1, keepdim=True)  # the end token has the highest id
        return remove_padding(ids, torch.arange(ids.shape[1], device=ids.device) <= ends)

    def _pooled(self, ids: Tensor) -> Tensor:
        """Return the state of each text, (b, t) int64 -> (b, w).

        A causal model is run over the t tokens of the batch and not over its whole context, because tokens after the
        end token do not change the vector.
        """
        from open_clip.transformer import text_global_pool

        text, t = self.text, ids.shape[1]
        states = text.token_embedding(ids) + text.positional_embedding[:t]
        mask = None if text.attn_mask is None else text.attn_mask[:t, :t].to(states.dtype)
        states = text.ln_final(text.transformer(states, attn_mask=mask))
        pooled: Tensor = text_global_pool(states, ids, pool_type=text.pool_type, eos_token_id=text.eos_id)
        return pooled


def _end_states(text: "TextTransformer", texts: UnpaddedTexts) -> Tensor:
    """Return the states of the end tokens after the last layer and its norm, (b, w)."""
    *blocks, last = text.transformer.resblocks
    t = texts.real.shape[1]
    states = text.token_embedding(texts.ids) + text.positional_embedding[texts.positions]
    for block in blocks:
        projected = texts.with_padding(_project(block, block.ln_1(states)))
        query, key, value = projected.chunk(3, dim=2)
        mixed = _attend(block, query, key, value, text.attn_mask[:t, :t])
        states = _finish(block, states, texts.without_padding(mixed))
    w, normed = states.shape[1], last.ln_1(states)
    query = _project(last, normed[texts.ends], slice(0, w))
    key, value = texts.with_padding(_project(last, normed, slice(w, 3 * w))).chunk(2, dim=2)
    # The end token attends to all real tokens.
    mixed = _attend(last, query.unsqueeze(1), key, value, texts.attention_mask(1))
    normed_ends: Tensor = text.ln_final(_finish(last, states[texts.ends], mixed.squeeze(1)))
    return normed_ends


def _project(block: "ResidualAttentionBlock", states: Tensor, rows: slice = slice(None)) -> Tensor:
    """Project states to queries, keys and values, concatenated, or to some of them: (n, w) -> (n, number of rows)."""
    return nn.functional.linear(states, block.attn.in_proj_weight[rows], block.attn.in_proj_bias[rows])


def _attend(block: "ResidualAttentionBlock", query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    """Apply attention: (b, queries, w), twice (b, t, w) -> (b, queries, w)."""
    return attend_exportably(query, key, value, block.attn.num_heads, mask)


def _finish(block: "ResidualAttentionBlock", states: Tensor, mixed: Tensor) -> Tensor:
    """Compute the rest of a layer after attention: twice (n, w) -> (n, w)."""
    states = states + block.ls_1(block.attn.out_proj(mixed))
    finished: Tensor = states + block.ls_2(block.mlp(block.ln_2(states)))
    return finished
