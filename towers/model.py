"""The one composition that every model of the paper's Table 2 is made of.

A side is a list of towers and a fusion; a model is a query side and a product side. Both end in a
unit-length vector of the same width, so that the dot product is the cosine (paper, sections 3.1 and 3.2).

Shapes: b batch size, d_t width of tower t, D width of the side.
"""

from collections.abc import Mapping

from torch import Tensor, nn

from artifacts.side import BertTowerSpec, ClipImageTowerSpec, SideSpec, TowerSpec
from towers.bert import BertBody, BertSide, BertTower
from towers.clip import PhotoBatch, build_image_tower, build_text_tower
from towers.fusion import build_fusion

TowerInput = Tensor | PhotoBatch  # token ids (b, t), or photos


class Side(nn.Module):
    """Towers and a fusion."""

    def __init__(self, spec: SideSpec, towers: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.spec = spec
        self.towers = nn.ModuleDict({tower.name: towers[tower.name] for tower in spec.towers})
        self.fusion = build_fusion(spec.fusion, [tower.width for tower in spec.towers])

    def encode_tower(self, name: str, tower_input: TowerInput) -> Tensor:
        """Unit vectors of one tower, (b, d_t), float32 also where the tower computes in half precision."""
        return nn.functional.normalize(self.towers[name](tower_input).float(), dim=1)

    def fuse(self, vectors: Mapping[str, Tensor]) -> Tensor:
        """Unit vectors of the side from its towers' unit vectors: {name: (b, d_t)} -> (b, D)."""
        fused = self.fusion([vectors[tower.name] for tower in self.spec.towers])
        return nn.functional.normalize(fused.float(), dim=1)

    def forward(self, inputs: Mapping[str, TowerInput]) -> Tensor:
        """Unit vectors of the side from what each of its towers reads: (b, D)."""
        return self.fuse({name: self.encode_tower(name, tower_input) for name, tower_input in inputs.items()})


class Model(nn.Module):
    """A query side and a product side whose BiBERT towers share one body."""

    def __init__(self, query: Side, product: Side) -> None:
        super().__init__()
        if query.spec.width != product.spec.width:
            raise ValueError(
                f"queries have width {query.spec.width} but products {product.spec.width}; they must agree"
            )
        self.query = query
        self.product = product


def build_model(query: SideSpec, product: SideSpec) -> Model:
    """A model of this composition with fresh weights.

    Raises:
        ValueError: the sides differ in width, or in the configuration of the body that they share.
    """
    bodies: dict[str, BertBody] = {}
    return Model(_build_side(query, bodies), _build_side(product, bodies))


def build_side(spec: SideSpec) -> Side:
    """One side alone with fresh weights."""
    return _build_side(spec, {})


def _build_side(spec: SideSpec, bodies: dict[str, BertBody]) -> Side:
    return Side(spec, {tower.name: _build_tower(tower, bodies) for tower in spec.towers})


def _build_tower(spec: TowerSpec, bodies: dict[str, BertBody]) -> nn.Module:
    """A tower with fresh weights; the first BiBERT tower leaves its body in `bodies` for the second."""
    if isinstance(spec, BertTowerSpec):
        if "bibert" not in bodies:
            bodies["bibert"] = BertBody(spec.config)
        body = bodies["bibert"]
        if body.config != spec.config:
            raise ValueError("the two sides' BiBERT towers have different sizes; they share one body")
        return BertTower(body, BertSide(spec.config))
    if isinstance(spec, ClipImageTowerSpec):
        return build_image_tower(spec.config)
    return build_text_tower(spec.config)
