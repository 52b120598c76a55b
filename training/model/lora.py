"""Low-rank adapters (LoRA, Hu et al. 2021): the only part of a pretrained tower that is trained, merged after the fit.

Each matrix W of the attention and feed-forward layers is used as W + (alpha / rank) B A, with B zero at the start, so
that a fit begins at the pretrained tower. Afterwards the sum takes W's place: a bundle has no adapters.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from training.errors import RecipeError
from training.recipes.towers import LoraRecipe

_ATTENTION_IN = "in_proj_weight"  # of torch's attention, the projections into queries, keys and values
_NOT_ADAPTED = ("projection", "text_projection", "head.proj", "trunk.head")  # what follows the encoder's layers


class Adapter(nn.Module):
    """The low-rank part of a matrix.

    Args:
        weight: the matrix, (rows, columns).
        lora: rank and alpha.
    """

    def __init__(self, weight: Tensor, lora: LoraRecipe) -> None:
        super().__init__()
        rows, columns = weight.shape
        self.down = nn.Parameter(torch.randn(lora.rank, columns) * columns**-0.5)
        self.up = nn.Parameter(torch.zeros(rows, lora.rank))
        self.scale = lora.alpha / lora.rank

    def forward(self, weight: Tensor) -> Tensor:
        """Add the low-rank part to the matrix, (rows, columns)."""
        return weight + self.scale * (self.up @ self.down)


def add_adapters(towers: Sequence[nn.Module], lora: LoraRecipe) -> None:
    """Put adapters on the attention and feed-forward layers of a tower of one name, in place.

    Args:
        towers: the tower on each side. A matrix that they share has one adapter, which they share too.
        lora: rank and alpha.

    Raises:
        RecipeError: a tower has no such layer, as a convolutional network.
    """
    adapters: dict[int, Adapter] = {}
    for tower in towers:
        matrices = list(_matrices(tower))
        if not matrices:
            raise RecipeError("lora is given for a tower without attention and feed-forward layers; leave it out")
        for module, name in matrices:
            weight = getattr(module, name)
            adapter = adapters.setdefault(id(weight), Adapter(weight, lora))
            parametrize.register_parametrization(module, name, adapter)


@torch.no_grad()
def merge_adapters(model: nn.Module) -> None:
    """Put each matrix with its adapter's part in the place of both; without adapters nothing changes.

    Matrices that the sides share stay shared.
    """
    adapted = [module for module in model.modules() if parametrize.is_parametrized(module)]
    places = [(module, name) for module in adapted for name in getattr(module, "parametrizations", {})]
    # All sums are taken before any is written, since one matrix may have several places.
    merged = [getattr(module, name).clone() for module, name in places]
    for (module, name), matrix in zip(places, merged, strict=True):
        parametrize.remove_parametrizations(module, name, leave_parametrized=False)
        getattr(module, name).copy_(matrix)


def has_adapters(module: nn.Module) -> bool:
    """Return whether a module has adapters."""
    return any(isinstance(part, Adapter) for part in module.modules())


def freeze_all_but_adapters(module: nn.Module) -> None:
    """Leave only the adapters of a module trainable."""
    module.requires_grad_(False)
    for part in module.modules():
        if isinstance(part, Adapter):
            part.requires_grad_(True)


def _matrices(tower: nn.Module) -> Iterator[tuple[nn.Module, str]]:
    """Return the matrices of a tower's layers, each by the module and the name that it has there."""
    for path, module in tower.named_modules():
        name = path.removeprefix("visual.").removeprefix("text.")
        if isinstance(module, nn.MultiheadAttention):
            yield module, _ATTENTION_IN
        elif isinstance(module, nn.Linear) and name not in _NOT_ADAPTED:
            yield module, "weight"
