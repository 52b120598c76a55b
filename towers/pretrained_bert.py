"""BiBERT with a pretrained body: layers of a Hugging Face text encoder (towers/encoder_folder.py reads it).

As in the small BiBERT (towers/bert.py; paper, section 2.2), query and product share all weights except LayerNorms and
projection. Both sides start equal: with the pretrained LayerNorms, and with the identity as projection, so that a model
before any training scores like the pretrained encoder. There is no dropout, as in the small BiBERT.

Shapes: b batch size, t tokens, h the encoder's hidden size, w width of the projection.
"""

import copy
from typing import Any

from torch import Tensor, nn
from transformers import AutoConfig, AutoModel

from artifacts.tower_specs import PretrainedBertConfig
from towers.bert_layout import LAYOUT_FAMILIES, pool_packed, pool_unpadded
from towers.packed_texts import PackedTexts
from towers.pooling import masked_mean
from towers.unpadded import UnpaddedTexts, remove_padding

# These families number positions from pad_id + 1, so that as many positions are unusable.
_NUMBERED_FROM_PAD = ("camembert", "mpnet", "roberta", "xlm-roberta")


def first_position(family: str, pad_id: int) -> int:
    """Return the number of a text's first position in encoders of a family."""
    return pad_id + 1 if family in _NUMBERED_FROM_PAD else 0


class PretrainedBertTower(nn.Module):
    """One side of a BiBERT with a pretrained body.

    Args:
        config: sizes of the encoder and the projection.
        encoder: transformers' model without a pooler.
    """

    def __init__(self, config: PretrainedBertConfig, encoder: nn.Module) -> None:
        super().__init__()
        self.config = config
        self.encoder = encoder
        self.projection = nn.Linear(_hidden_size(encoder), config.width)
        nn.init.orthogonal_(self.projection.weight)  # preserves angles as well as the width allows
        if self.projection.in_features == config.width:
            nn.init.eye_(self.projection.weight)
        nn.init.zeros_(self.projection.bias)

    @property
    def reads_packed_texts(self) -> bool:
        """Whether the tower reads PackedTexts; other families read padded texts only."""
        return self.config.family in LAYOUT_FAMILIES

    def other_side(self) -> "PretrainedBertTower":
        """Return the tower of the model's other side: a copy that has only LayerNorms and projection for itself."""
        shared = _all_but_layer_norms(self.encoder)
        return copy.deepcopy(self, {id(parameter): parameter for parameter in shared})

    def forward(self, texts: Tensor | PackedTexts | UnpaddedTexts) -> Tensor:
        """Encode token sequences as vectors that are not normalised.

        Args:
            texts: (b, t) int64, padded with the configuration's pad id, with at least one token per row; or, if the
                family's structure is known, the same without padding.

        Returns:
            (b, w)
        """
        first = first_position(self.config.family, self.config.pad_id)
        if isinstance(texts, PackedTexts):
            pooled = pool_packed(self.encoder, texts, first, self.config.pooling)
        elif isinstance(texts, UnpaddedTexts):
            pooled = pool_unpadded(self.encoder, texts, first, self.config.pooling)
        else:
            pooled = self._pool_padded(texts)
        projected: Tensor = self.projection(pooled)
        return projected

    def remove_padding(self, ids: Tensor) -> Tensor | UnpaddedTexts:
        """Remove the padding of a batch, (b, t) int64, unless the family's structure is another."""
        return remove_padding(ids, ids != self.config.pad_id) if self.reads_packed_texts else ids

    def _pool_padded(self, ids: Tensor) -> Tensor:
        """Return the pooled state of each text of a padded batch, as transformers computes it, (b, h)."""
        real = ids != self.config.pad_id
        states: Tensor = self.encoder(input_ids=ids, attention_mask=real.long()).last_hidden_state  # (b, t, h)
        return states[:, 0] if self.config.pooling == "cls" else masked_mean(states, real)


def build_pretrained_bert(config: PretrainedBertConfig) -> PretrainedBertTower:
    """Build a tower of this configuration with fresh weights, for loading those of a bundle."""
    encoder = AutoModel.from_config(AutoConfig.for_model(config.family, **config.model))  # type: ignore[no-untyped-call]
    return PretrainedBertTower(config, without_pooler(encoder))


def without_pooler(encoder: Any) -> nn.Module:
    """Remove the part of transformers' model that BiBERT replaces by its own pooling and projection."""
    if hasattr(encoder, "pooler"):
        encoder.pooler = None
    bare: nn.Module = encoder
    return bare


def _hidden_size(encoder: nn.Module) -> int:
    config: Any = encoder.config
    return int(config.hidden_size)


def _all_but_layer_norms(encoder: nn.Module) -> list[nn.Parameter]:
    return [
        parameter
        for module in encoder.modules()
        if not isinstance(module, nn.LayerNorm)
        for parameter in module.parameters(recurse=False)
    ]
