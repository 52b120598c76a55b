"""Fusions, each by hand."""

import math

import numpy as np
import pytest
import torch

from artifacts.side import AlphaConcatenation, Concatenation, MlpFusion, NoFusion, ResidualFusion
from towers.fusion import build_fusion

A = torch.tensor([[0.6, 0.8], [1.0, 0.0]])
B = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.6, -0.8]])


def test_one_tower_is_left_as_it_is() -> None:
    fusion = build_fusion(NoFusion(), [2])
    assert torch.equal(fusion([A]), A)
    with pytest.raises(ValueError, match="too many values to unpack"):
        fusion([A, B])


def test_concatenation_puts_b_after_a() -> None:
    expected = torch.tensor([[0.6, 0.8, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.6, -0.8]])
    assert torch.equal(build_fusion(Concatenation(), [2, 3])([A, B]), expected)


def test_alpha_weighs_a_and_its_complement_b() -> None:
    expected = torch.tensor([[0.15, 0.2, 0.75, 0.0, 0.0], [0.25, 0.0, 0.0, 0.45, -0.6]])
    torch.testing.assert_close(build_fusion(AlphaConcatenation(alpha=0.25), [2, 3])([A, B]), expected)


@pytest.mark.parametrize(("alpha", "kept"), [(1.0, slice(0, 2)), (0.0, slice(2, 5))])
def test_alpha_at_its_ends_keeps_one_tower(alpha: float, kept: slice) -> None:
    fused = build_fusion(AlphaConcatenation(alpha=alpha), [2, 3])([A, B])
    both = torch.cat((A, B), dim=1)
    assert torch.equal(fused[:, kept], both[:, kept])
    assert fused.count_nonzero() == both[:, kept].count_nonzero()


@pytest.mark.parametrize("fusion", [Concatenation(), AlphaConcatenation(alpha=0.5)])
def test_concatenations_have_nothing_to_learn(fusion: Concatenation | AlphaConcatenation) -> None:
    assert list(build_fusion(fusion, [2, 3]).parameters()) == []


@pytest.mark.parametrize(("hidden", "width"), [(4, 3), (7, 1), (1, 5)])
def test_the_mlp_is_as_written_a_second_time(hidden: int, width: int) -> None:
    torch.manual_seed(0)
    fusion = build_fusion(MlpFusion(hidden=hidden, width=width), [2, 3])
    w1, b1, w2, b2 = (parameter.detach().double().numpy() for parameter in fusion.parameters())
    assert [array.shape for array in (w1, b1, w2, b2)] == [(hidden, 5), (hidden,), (width, hidden), (width,)]
    fused = fusion([A, B]).detach().numpy()
    for row in range(2):
        joined = [math.sqrt(2) * float(x) for x in A[row]] + [math.sqrt(3) * float(x) for x in B[row]]
        inner = [sum(w1[i][j] * joined[j] for j in range(5)) + b1[i] for i in range(hidden)]
        bent = [0.5 * x * (1 + math.erf(x / math.sqrt(2))) for x in inner]
        expected = [sum(w2[i][j] * bent[j] for j in range(hidden)) + b2[i] for i in range(width)]
        np.testing.assert_allclose(fused[row], expected, atol=1e-6)


def test_the_residual_starts_at_the_first_tower_and_is_as_written_a_second_time() -> None:
    torch.manual_seed(0)
    fusion = build_fusion(ResidualFusion(hidden=4), [2, 3])
    torch.testing.assert_close(fusion([A, B]), A)
    torch.nn.init.normal_(weights := next(fusion.mlp.output.parameters()))
    for parameter in (fusion.first.weight, fusion.second.weight, fusion.mlp.output.bias):
        torch.nn.init.normal_(parameter)
    alone = build_fusion(MlpFusion(hidden=4, width=2), [2, 3])
    alone.load_state_dict(fusion.mlp.state_dict())
    expected = A @ fusion.first.weight.T + B @ fusion.second.weight.T + alone([A, B]) / math.sqrt(2)
    assert weights.count_nonzero()
    torch.testing.assert_close(fusion([A, B]), expected)


def test_the_residual_has_the_width_of_the_first_tower_whatever_the_second_has() -> None:
    assert build_fusion(ResidualFusion(hidden=4), [2, 3])([A, B]).shape == (2, 2)
    assert build_fusion(ResidualFusion(hidden=4), [3, 2])([B, A]).shape == (2, 3)
