"""Fusions: modules that combine the vectors of a side's towers into one vector (paper, section 3.1).

Shapes: b batch size, d_t width of tower t, D width of the side. Inputs have unit length; outputs are not normalised
here.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from artifacts.side import AlphaConcatenation, Concatenation, FusionSpec, MlpFusion, ResidualFusion


class Single(nn.Module):
    """The vector of the only tower."""

    def forward(self, vectors: Sequence[Tensor]) -> Tensor:
        """Return the only vector: (b, d) -> (b, d)."""
        (only,) = vectors
        return only


class Concatenate(nn.Module):
    """[a ; b] (Eq. 3)."""

    def forward(self, vectors: Sequence[Tensor]) -> Tensor:
        """Concatenate: [(b, d_1), (b, d_2)] -> (b, d_1 + d_2)."""
        return torch.cat(tuple(vectors), dim=1)


class AlphaConcatenate(nn.Module):
    """[alpha a ; (1 - alpha) b] (Eq. 4); alpha is chosen on validation, not learned."""

    def __init__(self, alpha: float) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, vectors: Sequence[Tensor]) -> Tensor:
        """Concatenate: [(b, d_1), (b, d_2)] -> (b, d_1 + d_2)."""
        first, second = vectors
        return torch.cat((self.alpha * first, (1 - self.alpha) * second), dim=1)


class Mlp(nn.Module):
    """MLP([a ; b]) with one hidden layer and GELU."""

    def __init__(self, widths: Sequence[int], hidden: int, width: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(sum(widths), hidden)
        self.output = nn.Linear(hidden, width)

    def forward(self, vectors: Sequence[Tensor]) -> Tensor:
        """Fuse: [(b, d_1), (b, d_2)] -> (b, D)."""
        # The coordinates of unit vectors are small. They are scaled to a variance of about 1, for which the usual
        # initialisation of linear layers is made.
        joined = torch.cat([vector * vector.shape[1] ** 0.5 for vector in vectors], dim=1)
        fused: Tensor = self.output(nn.functional.gelu(self.hidden(joined)))
        return fused


class Residual(nn.Module):
    """W1 a + W2 b + MLP([a ; b]), of the width of a.

    W1 starts as the identity, W2 and the MLP's output as zero, so that a fit begins at the first tower alone and cannot
    begin below it.
    """

    def __init__(self, widths: Sequence[int], hidden: int) -> None:
        super().__init__()
        first, second = widths
        self.first = nn.Linear(first, first, bias=False)
        self.second = nn.Linear(second, first, bias=False)
        self.mlp = Mlp(widths, hidden, first)
        nn.init.eye_(self.first.weight)
        for weights in (self.second.weight, self.mlp.output.weight, self.mlp.output.bias):
            nn.init.zeros_(weights)

    def forward(self, vectors: Sequence[Tensor]) -> Tensor:
        """Fuse: [(b, d_1), (b, d_2)] -> (b, d_1)."""
        first, second = vectors
        # The MLP's output has a variance of about 1, the vectors have unit length.
        fused: Tensor = self.first(first) + self.second(second) + self.mlp(vectors) * first.shape[1] ** -0.5
        return fused


def build_fusion(spec: FusionSpec, widths: Sequence[int]) -> nn.Module:
    """Build the module of a fusion for towers of these widths, with fresh weights."""
    if isinstance(spec, MlpFusion):
        return Mlp(widths, spec.hidden, spec.width)
    if isinstance(spec, ResidualFusion):
        return Residual(widths, spec.hidden)
    if isinstance(spec, AlphaConcatenation):
        return AlphaConcatenate(spec.alpha)
    return Concatenate() if isinstance(spec, Concatenation) else Single()
