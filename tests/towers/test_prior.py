"""The weight that queries give to popularity: its formula written a second time, in every kind of encoder."""

from pathlib import Path

import numpy as np
import pytest
import torch

from artifacts.errors import DamagedError
from artifacts.popularity import PriorColumns
from artifacts.side import NoFusion, SideSpec, read_side_spec
from tests.support.made_once import made_once
from tests.support.models import QUERIES, tiny_model, tiny_tokenizer, tiny_tokenizers
from tests.support.priors import CONSTANT, LIMIT, give_prior, tiny_priors
from tests.support.specs import tiny_clip_specs
from towers.export import export_query_side
from towers.int8 import Int8Version, _last_layers
from towers.model import Side, build_model, build_side
from towers.photo_subspace import PhotoSubspace
from towers.query_encoder import OnnxQueryEncoder, encoder_inputs
from towers.storage import load_side, save_side
from towers.tokens import read_tokenizers
from towers.torch_query_encoder import TorchQueryEncoder

COMPOSITIONS = ("bibert", "alpha", "mlp")


def sides(composition: str) -> tuple[Side, Side]:
    """The query side of a model without popularity, and with it."""
    without, with_prior = tiny_model(composition).query, tiny_model(composition).query
    give_prior(with_prior)
    return without, with_prior


def encode(side: Side) -> np.ndarray:
    ids = {name: torch.from_numpy(read.encode(QUERIES)) for name, read in tiny_tokenizers(side.spec).items()}
    with torch.no_grad():
        return side(ids).numpy()


@pytest.mark.parametrize("composition", COMPOSITIONS)
def test_queries_get_the_weight_of_the_formula(composition: str) -> None:
    without, with_prior = sides(composition)
    content, found = encode(without), encode(with_prior)
    weights = [float(row) for row in with_prior.prior.weight.weight.detach()[0]]
    width = with_prior.spec.content_width
    assert found.shape == (len(QUERIES), with_prior.spec.width) and with_prior.spec.width % 8 == 0
    chosen = [min(max(sum(w * x for w, x in zip(weights, row, strict=True)) + CONSTANT, 0), LIMIT) for row in content]
    assert len(set(chosen)) > 1
    for row, vector, weight in zip(content, found, chosen, strict=True):
        length = (1 + weight**2) ** 0.5
        np.testing.assert_allclose(vector[:width], row / length, atol=1e-6)
        assert vector[width] == pytest.approx(weight / length, abs=1e-6)
        np.testing.assert_array_equal(vector[width + 1 :], 0)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)


def _write(folder: Path, composition: str) -> None:
    side = sides(composition)[1]
    save_side(side, folder, {"bibert": tiny_tokenizer(), "clip": tiny_tokenizer()})
    export_query_side(side, folder, QUERIES)  # which compares it with torch


@pytest.fixture(params=["bibert", "mlp"])
def exported(request: pytest.FixtureRequest) -> tuple[str, Path]:
    """A composition and the folder of its exported query side."""
    return request.param, made_once(f"prior-{request.param}", lambda folder: _write(folder, request.param))


def test_the_export_and_torch_give_the_same_vectors(exported: tuple[str, Path]) -> None:
    composition, folder = exported
    without, with_prior = sides(composition)
    spec = read_side_spec(folder)
    assert spec == with_prior.spec
    by_tower = {name: read.encode(QUERIES) for name, read in tiny_tokenizers(spec).items()}
    with torch.no_grad():
        towers = [without.encode_tower(name, torch.from_numpy(ids)).numpy() for name, ids in by_tower.items()]
    for encoder in (OnnxQueryEncoder(folder, spec), TorchQueryEncoder(folder, spec, device="cpu")):
        assert encoder.width == spec.width
        np.testing.assert_allclose(encoder.encode(QUERIES), encode(with_prior), atol=1e-5)
        np.testing.assert_allclose(encoder.encode_tower_vectors(QUERIES), np.hstack(towers), atol=1e-5)


def test_the_weight_stays_in_float32_in_the_int8_version(exported: tuple[str, Path], tmp_path: Path) -> None:
    import onnx

    composition, folder = exported
    graph = onnx.load(folder / "encoder.onnx").graph
    assert len(_last_layers(graph)) == {"bibert": 2, "mlp": 4}[composition]  # one more than without popularity
    spec = read_side_spec(folder)
    tokenizers = read_tokenizers(folder, spec)
    save_side(sides(composition)[1], tmp_path, {"bibert": tiny_tokenizer(), "clip": tiny_tokenizer()})
    Int8Version(folder / "encoder.onnx", [encoder_inputs(tokenizers, QUERIES)]).write(tmp_path / "encoder.onnx")
    found, exact = (OnnxQueryEncoder(path, spec).encode(QUERIES) for path in (tmp_path, folder))
    place = PriorColumns.of(spec).content
    assert ((found * exact).sum(axis=1) > 0.98).all()
    assert (found[:, place] > 0).any() and not found[:, place + 1 :].any()


def test_a_side_is_kept_and_loaded_with_its_weight(tmp_path: Path) -> None:
    _, side = sides("bibert")
    save_side(side, tmp_path, {"bibert": tiny_tokenizer()})
    np.testing.assert_array_equal(encode(load_side(tmp_path)), encode(side))
    side.spec = side.spec.model_copy(update={"prior": None})
    save_side(side, tmp_path, {"bibert": tiny_tokenizer()})
    with pytest.raises(DamagedError, match=r"prior.weight.weight"):
        load_side(tmp_path)


def test_the_two_sides_agree_on_the_width_of_their_content() -> None:
    model = tiny_model("bibert")
    give_prior(model.query)
    assert build_model(model.query.spec, model.product.spec).query.prior is not None
    with pytest.raises(ValueError, match="queries have width 32 but products 40"):
        build_model(model.query.spec, model.query.spec)


@pytest.mark.parametrize("composition", ["alpha", "cat", "clip"])
def test_a_photo_scores_by_the_cosine_of_photos_whatever_is_popular(composition: str) -> None:
    model = tiny_model(composition)
    give_prior(model.query)
    part, columns = PhotoSubspace.of(model.query.spec), PriorColumns.of(model.query.spec)
    assert part is not None and columns is not None
    rng = torch.Generator().manual_seed(3)
    towers = {
        tower.name: torch.nn.functional.normalize(torch.randn(9, tower.width, generator=rng), dim=1)
        for tower in model.product.spec.towers
    }
    with torch.no_grad():
        content = model.product.fuse(towers).numpy()
    ids = [f"p{number}" for number in range(9)]
    products = tiny_priors(ids, columns).add_to(content, ids)
    photos = towers["clip"].numpy()
    np.testing.assert_allclose(part.queries(photos) @ products.T, photos @ photos.T, atol=1e-5)


def test_half_precision_keeps_the_weight() -> None:
    clip_text, _ = tiny_clip_specs()
    side = build_side(SideSpec(towers=(clip_text,), fusion=NoFusion())).eval()
    give_prior(side)
    from towers.half_precision import computing_with, convert_weights

    vectors = torch.nn.functional.normalize(torch.randn(6, side.spec.content_width), dim=1)
    exact = side.fuse({"clip": vectors}).detach()
    convert_weights(side, torch.bfloat16)
    with computing_with(side), torch.no_grad():
        np.testing.assert_allclose(side.fuse({"clip": vectors}), exact, atol=0.01)
