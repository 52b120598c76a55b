"""The composition: every row of the design's table, and the cosines that it must give."""

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from artifacts.side import NoFusion, SideSpec
from artifacts.tower_specs import BertConfig, BertTowerSpec
from tests.support.models import (
    ALPHA,
    BERT_WIDTH,
    CLIP_WIDTH,
    COMPOSITIONS,
    MLP_WIDTH,
    QUERIES,
    tiny_bert_specs,
    tiny_model,
    tiny_sides,
    tiny_tokenizers,
)
from towers.bert import BertTower
from towers.clip_image import ClipImageTower, PhotoBatch
from towers.clip_text import ClipTextTower
from towers.fusion import AlphaConcatenate, Concatenate, Mlp, Single
from towers.model import Model, Side, TowerInput, build_model, build_side

TITLES = ["red cotton dress for women", "pan", "blue shoes men", "kids cap toy", ""]


def query_inputs(side: Side) -> Mapping[str, TowerInput]:
    return {name: torch.from_numpy(read.encode(QUERIES)) for name, read in tiny_tokenizers(side.spec).items()}


def product_inputs(side: Side) -> Mapping[str, TowerInput]:
    """Titles and photos of five products, the second and last without a photo."""
    inputs: dict[str, TowerInput] = {}
    if "bibert" in side.towers:
        inputs["bibert"] = torch.from_numpy(tiny_tokenizers(side.spec)["bibert"].encode(TITLES))
    if "clip" in side.towers:
        present = torch.tensor([True, False, True, True, False])
        inputs["clip"] = PhotoBatch(torch.randn(3, 3, 16, 16, generator=torch.manual_seed(2)), present)
    return inputs


@pytest.fixture(params=COMPOSITIONS)
def composition(request: pytest.FixtureRequest) -> str:
    return str(request.param)


TABLE = {  # design.md: towers of the query side, of the product side, fusions, and the common width
    "bibert": ([BertTower], [BertTower], Single, Single, BERT_WIDTH),
    "clip": ([ClipTextTower], [ClipImageTower], Single, Single, CLIP_WIDTH),
    "cat": ([BertTower, ClipTextTower], [BertTower, ClipImageTower], Concatenate, Concatenate,
            BERT_WIDTH + CLIP_WIDTH),
    "alpha": ([BertTower, ClipTextTower], [BertTower, ClipImageTower], AlphaConcatenate, AlphaConcatenate,
              BERT_WIDTH + CLIP_WIDTH),
    "mlp": ([BertTower, ClipTextTower], [BertTower, ClipImageTower], Mlp, Mlp, MLP_WIDTH),
    "3tmm": ([BertTower], [BertTower, ClipImageTower], Single, Mlp, BERT_WIDTH),
}  # fmt: skip


@torch.inference_mode()
def test_each_composition_is_the_row_of_the_table(composition: str) -> None:
    model = tiny_model(composition)
    query_towers, product_towers, query_fusion, product_fusion, width = TABLE[composition]
    assert [type(tower) for tower in model.query.towers.values()] == query_towers
    assert [type(tower) for tower in model.product.towers.values()] == product_towers
    assert type(model.query.fusion) is query_fusion
    assert type(model.product.fusion) is product_fusion
    for vectors in (model.query(query_inputs(model.query)), model.product(product_inputs(model.product))):
        assert vectors.shape == (5, width)
        assert vectors.dtype == torch.float32
        torch.testing.assert_close(vectors.norm(dim=1), torch.ones(5), atol=1e-6, rtol=0)
        assert torch.linalg.matrix_rank(vectors) >= 3, "the vectors do not depend on what was read"


def tower_cosines(model: Model) -> dict[str, Tensor]:
    """Cosines of queries and products by each tower alone."""
    query, product = query_inputs(model.query), product_inputs(model.product)
    return {
        name: model.query.encode_tower(name, query[name]) @ model.product.encode_tower(name, product[name]).T
        for name in query
    }


def cosines(model: Model) -> Tensor:
    query, product = model.query(query_inputs(model.query)), model.product(product_inputs(model.product))
    return query @ product.T


@torch.inference_mode()
def test_a_concatenation_scores_with_the_mean_of_its_towers_cosines() -> None:
    model = tiny_model("cat")
    towers = tower_cosines(model)
    torch.testing.assert_close(cosines(model), (towers["bibert"] + towers["clip"]) / 2, atol=1e-6, rtol=0)


@torch.inference_mode()
def test_alpha_weighs_the_towers_cosines_by_its_square() -> None:
    model = tiny_model("alpha")
    towers = tower_cosines(model)
    weighted = ALPHA**2 * towers["bibert"] + (1 - ALPHA) ** 2 * towers["clip"]
    expected = weighted / (ALPHA**2 + (1 - ALPHA) ** 2)
    torch.testing.assert_close(cosines(model), expected, atol=1e-6, rtol=0)


@torch.inference_mode()
@pytest.mark.parametrize("name", ["bibert", "clip"])
def test_a_single_tower_scores_with_its_own_cosine(name: str) -> None:
    model = tiny_model(name)
    torch.testing.assert_close(cosines(model), tower_cosines(model)[name], atol=1e-6, rtol=0)


@torch.inference_mode()
def test_vectors_of_towers_have_unit_length_before_they_are_fused() -> None:
    model = tiny_model("mlp")
    inputs = product_inputs(model.product)
    for name, read in inputs.items():
        lengths = model.product.encode_tower(name, read).norm(dim=1)
        torch.testing.assert_close(lengths, torch.ones(5), atol=1e-6, rtol=0)
    vectors = {name: model.product.encode_tower(name, read) for name, read in inputs.items()}
    torch.testing.assert_close(model.product.fuse(vectors), model.product(inputs))
    swapped = dict(reversed(vectors.items()))
    assert torch.equal(model.product.fuse(swapped), model.product.fuse(vectors)), "the order of the spec rules"


def test_mlps_have_the_same_shape_but_their_own_weights() -> None:
    model = tiny_model("mlp")
    query, product = (dict(side.fusion.named_parameters()) for side in (model.query, model.product))
    assert {n: p.shape for n, p in query.items()} == {n: p.shape for n, p in product.items()}
    assert all(query[name] is not product[name] for name in query)
    assert all(not torch.equal(query[name], product[name]) for name in query)


@pytest.mark.parametrize("shared", ["bibert", "cat", "alpha", "mlp", "3tmm"])
def test_the_body_is_shared_in_every_composition(shared: str) -> None:
    model = tiny_model(shared)
    assert model.query.towers["bibert"].body is model.product.towers["bibert"].body
    assert model.query.towers["bibert"].side is not model.product.towers["bibert"].side


def test_a_side_can_be_built_alone() -> None:
    spec = tiny_sides("mlp")[0]
    alone, both = build_side(spec), build_model(*tiny_sides("mlp")).query
    assert {n: t.shape for n, t in alone.state_dict().items()} == {n: t.shape for n, t in both.state_dict().items()}


def test_sides_of_different_widths_are_refused() -> None:
    with pytest.raises(ValueError) as caught:
        build_model(tiny_sides("mlp")[0], tiny_sides("3tmm")[1])
    assert str(caught.value) == "queries have width 40 but products 32; they must agree"


def test_bodies_of_different_sizes_are_refused() -> None:
    query, product = tiny_bert_specs()
    deeper = BertConfig(**{**product.config.model_dump(), "layers": 3})
    with pytest.raises(ValueError) as caught:
        build_model(
            SideSpec(towers=(query,), fusion=NoFusion()),
            SideSpec(towers=(BertTowerSpec(config=deeper, text=product.text),), fusion=NoFusion()),
        )
    assert str(caught.value) == "the two sides' BiBERT towers have different sizes; they share one body"
