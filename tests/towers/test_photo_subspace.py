"""Photos as queries: their scores are cosines of photos, whatever the title."""

import numpy as np
import pytest
import torch

from artifacts.side import AlphaConcatenation, Concatenation, FusionSpec, MlpFusion, NoFusion, SideSpec
from tests.support.specs import tiny_bert_specs, tiny_clip_specs, tiny_sides
from towers.model import build_side
from towers.photo_subspace import PhotoSubspace


def unit(count: int, width: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def sides(towers: str, fusion: FusionSpec) -> tuple[SideSpec, SideSpec]:
    """Query side and product side; `towers` are b for BiBERT and c for CLIP."""
    made = {"b": tiny_bert_specs(), "c": tiny_clip_specs()}
    query, product = (tuple(made[name][place] for name in towers) for place in (0, 1))
    return SideSpec(towers=query, fusion=fusion), SideSpec(towers=product, fusion=fusion)


@pytest.mark.parametrize(
    ("towers", "fusion", "weight"),
    [
        ("c", NoFusion(), 1),
        ("bc", Concatenation(), 0.5**0.5),
        ("cb", Concatenation(), 0.5**0.5),
        ("bc", AlphaConcatenation(alpha=0.3), 0.7 / (0.3**2 + 0.7**2) ** 0.5),
        ("cb", AlphaConcatenation(alpha=0.3), 0.3 / (0.3**2 + 0.7**2) ** 0.5),
        ("bc", AlphaConcatenation(alpha=0), 1),
    ],
)
def test_the_score_is_the_cosine_of_two_photos(towers: str, fusion: FusionSpec, weight: float) -> None:
    query, product = sides(towers, fusion)
    part = PhotoSubspace.of(query)
    assert part is not None and part.weight == pytest.approx(weight)
    photos = unit(4, 24, seed=1)
    by_tower = {"bibert": unit(9, 32, seed=2), "clip": unit(9, 24, seed=3)}
    with torch.no_grad():
        products = build_side(product).fuse({name: torch.from_numpy(vectors) for name, vectors in by_tower.items()})
    queries = part.queries(photos)
    assert queries.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(queries, axis=1), 1 / weight, rtol=1e-5)
    np.testing.assert_allclose(queries @ products.numpy().T, photos @ by_tower["clip"].T, atol=2e-6)


@pytest.mark.parametrize(
    "query",
    [
        tiny_sides("bibert")[0],
        tiny_sides("3tmm")[0],
        tiny_sides("mlp")[0],
        sides("bc", MlpFusion(hidden=8, width=4))[0],
        sides("bc", AlphaConcatenation(alpha=1))[0],
    ],
)
def test_elsewhere_photos_have_no_part(query: SideSpec) -> None:
    assert PhotoSubspace.of(query) is None
