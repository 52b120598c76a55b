"""The weight that a query gives to popularity, and the column of its vector that says so (artifacts/popularity.py).

Shapes: b batch size, D width of the content.
"""

import torch
from torch import Tensor, nn

from artifacts.side import PriorSpec


class QueryPrior(nn.Module):
    """Appends the weight of popularity to queries' vectors: l = w . q + c, within 0 and the limit.

    Args:
        spec: the columns and the limit.
        width: D.
    """

    def __init__(self, spec: PriorSpec, width: int) -> None:
        super().__init__()
        self.spec = spec
        self.weight = nn.Linear(width, 1)

    def forward(self, content: Tensor) -> Tensor:
        """Append to unit vectors, and return unit vectors again: (b, D) -> (b, D + columns)."""
        weight = self.weight(content).float().clamp(0.0, self.spec.limit)
        zeros = torch.zeros_like(content[:, : self.spec.columns - 1])
        vectors: Tensor = torch.cat((content, weight, zeros), dim=1) / (1 + weight.square()).sqrt()
        return vectors
