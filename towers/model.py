"""The composition of all models of the paper's Table 2.

A side is a list of towers and a fusion; a model is a query side and a product side. Both give unit vectors of the same
width, so that the dot product is the cosine (paper, sections 3.1 and 3.2).

Shapes: b batch size, d_t width of tower t, D width of the side's content.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Union

import torch
from torch import Tensor, nn

from artifacts.side import PriorSpec, SideSpec
from artifacts.tower_specs import BertTowerSpec, ClipImageTowerSpec, ClipTextTowerSpec, TowerSpec
from towers.bert import BertBody, BertSide, BertTower
from towers.clip_image import PhotoBatch
from towers.fusion import build_fusion
from towers.packed_texts import PackedTexts
from towers.prior import QueryPrior
from towers.unpadded import UnpaddedTexts

if TYPE_CHECKING:
    from towers.pretrained_bert import PretrainedBertTower

TowerInput = Tensor | PackedTexts | UnpaddedTexts | PhotoBatch  # token ids (b, t), texts without padding, or photos


class Side(nn.Module):
    """One side of a model: towers and a fusion; on the query side of a model with a prior, also popularity's weight."""

    def __init__(self, spec: SideSpec, towers: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.spec = spec
        self.towers = nn.ModuleDict({tower.name: towers[tower.name] for tower in spec.towers})
        self.fusion = build_fusion(spec.fusion, [tower.width for tower in spec.towers])
        self.prior = QueryPrior(spec.prior, spec.content_width) if spec.prior else None

    def set_prior(self, spec: PriorSpec, weights: Tensor, constant: float) -> None:
        """Give a query side the weight of popularity, l = w . q + c, in place.

        Args:
            spec: popularity's columns and limit.
            weights: w, (D,).
            constant: c.
        """
        self.spec = self.spec.model_copy(update={"prior": spec})
        self.prior = QueryPrior(spec, self.spec.content_width).train(self.training)
        with torch.no_grad():
            self.prior.weight.weight.copy_(weights[None])
            self.prior.weight.bias.fill_(constant)

    def encode_tower(self, name: str, tower_input: TowerInput) -> Tensor:
        """Encode with one tower as unit vectors, (b, d_t), float32 also if the tower computes in half precision."""
        return _of_unit_length(self.towers[name](tower_input).float())

    def fuse(self, vectors: Mapping[str, Tensor]) -> Tensor:
        """Fuse the towers' unit vectors to unit vectors of the side: {name: (b, d_t)} -> (b, width)."""
        fused = self.fusion([vectors[tower.name] for tower in self.spec.towers])
        content = fused if len(vectors) == 1 else _of_unit_length(fused.float())  # a single tower's has unit length
        return content if self.prior is None else self.prior(content)

    def forward(self, inputs: Mapping[str, TowerInput]) -> Tensor:
        """Encode the inputs of all towers as unit vectors of the side: (b, width)."""
        return self.fuse({name: self.encode_tower(name, tower_input) for name, tower_input in inputs.items()})


def _of_unit_length(vectors: Tensor) -> Tensor:
    """Scale vectors to unit length, (b, d), as torch's `normalize` but without its expansion of lengths in a graph."""
    lengths: Tensor = torch.linalg.vector_norm(vectors, dim=1, keepdim=True)
    return vectors / lengths.clamp_min(1e-12)


class Model(nn.Module):
    """A query side and a product side whose BiBERT towers share one body."""

    def __init__(self, query: Side, product: Side) -> None:
        super().__init__()
        if query.spec.content_width != product.spec.width:
            raise ValueError(
                f"queries have width {query.spec.content_width} but products {product.spec.width}; they must agree"
            )
        self.query = query
        self.product = product


def build_model(query: SideSpec, product: SideSpec) -> Model:
    """Build a model of this composition with fresh weights.

    Raises:
        ValueError: the sides differ in width, or in the configuration of their shared body.
    """
    berts: list[_AnyBertTower] = []
    return Model(_build_side(query, berts), _build_side(product, berts))


def build_side(spec: SideSpec) -> Side:
    """Build a single side with fresh weights."""
    return _build_side(spec, [])


_AnyBertTower = Union[BertTower, "PretrainedBertTower"]


def _build_side(spec: SideSpec, berts: list[_AnyBertTower]) -> Side:
    return Side(spec, {tower.name: _build_tower(tower, berts) for tower in spec.towers})


def _build_tower(spec: TowerSpec, berts: list[_AnyBertTower]) -> nn.Module:
    """Build a tower with fresh weights; BiBERT towers are added to `berts`, and the second shares the first's body.

    open_clip and transformers take seconds to load, so they are imported only for the towers that need them.
    """
    if isinstance(spec, ClipImageTowerSpec):
        from towers.clip import build_image_tower

        return build_image_tower(spec.config)
    if isinstance(spec, ClipTextTowerSpec):
        from towers.clip import build_text_tower

        return build_text_tower(spec.config)
    if berts and berts[0].config != spec.config:
        raise ValueError("the two sides' BiBERT towers have different sizes; they share one body")
    if berts:
        tower: _AnyBertTower = berts[0].other_side()
    elif isinstance(spec, BertTowerSpec):
        tower = BertTower(BertBody(spec.config), BertSide(spec.config))
    else:
        from towers.pretrained_bert import build_pretrained_bert

        tower = build_pretrained_bert(spec.config)
    berts.append(tower)
    return tower
