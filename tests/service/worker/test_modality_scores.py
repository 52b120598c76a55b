"""The contributions of title and photo to a score, compared with each tower alone."""

import numpy as np
import pytest

from artifacts.side import AlphaConcatenation, Concatenation, FusionSpec, MlpFusion, NoFusion, SideSpec
from service.core.errors import QueryError
from service.worker.modality_scores import ModalityScores
from tests.support.specs import tiny_bert_specs, tiny_clip_specs


def side(towers: str, fusion: FusionSpec) -> SideSpec:
    made = {"b": tiny_bert_specs()[0], "c": tiny_clip_specs()[0]}
    return SideSpec(towers=tuple(made[name] for name in towers), fusion=fusion)


@pytest.mark.parametrize("fusion", [Concatenation(), AlphaConcatenation(alpha=0.3)])
def test_towers_stand_side_by_side(fusion: FusionSpec) -> None:
    spec = side("bc", fusion)
    parts, first = ModalityScores.of(spec), spec.towers[0].width
    assert parts is not None
    assert parts.ranges == (("text", 0, first), ("photo", first, spec.width))
    rng = np.random.default_rng(0)
    query, products = rng.random(spec.width, np.float32), rng.random((5, spec.width), np.float32)
    split = parts.split(query, products)
    for row in range(5):
        assert split["text"][row] == pytest.approx(float(query[:first] @ products[row, :first]), abs=1e-5)
        assert split["photo"][row] == pytest.approx(float(query[first:] @ products[row, first:]), abs=1e-5)
    np.testing.assert_allclose(split["text"] + split["photo"], products @ query, rtol=1e-5)


def test_the_other_order_and_single_towers() -> None:
    turned = side("cb", Concatenation())
    assert ModalityScores.of(turned) == ModalityScores(
        (("photo", 0, turned.towers[0].width), ("text", turned.towers[0].width, turned.width))
    )
    for name, part in (("b", "text"), ("c", "photo")):
        spec = side(name, NoFusion())
        assert ModalityScores.of(spec) == ModalityScores(((part, 0, spec.width),))


def test_a_learned_fusion_keeps_nothing_apart() -> None:
    assert ModalityScores.of(side("bc", MlpFusion(hidden=8, width=4))) is None


def test_a_part_alone_scores_as_that_part() -> None:
    parts = ModalityScores((("photo", 0, 3), ("text", 3, 8)))
    assert parts.names == ("photo", "text")
    rng = np.random.default_rng(0)
    query, products = rng.random(8, np.float32), rng.random((5, 8), np.float32)
    split = parts.split(query, products)
    for name in parts.names:
        np.testing.assert_allclose(products @ parts.restrict(query, name), split[name], rtol=1e-6)
    with pytest.raises(QueryError, match="part is 'photo', but the served model knows only text"):
        ModalityScores((("text", 0, 8),)).restrict(query, "photo")
