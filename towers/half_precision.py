"""Computing in half precision, as on GPUs: weights are converted once, and autocast converts what they multiply."""

from collections.abc import Iterator

import torch
from torch import nn

# Parameters that open_clip multiplies with directly, beside those of its layers.
_PROJECTIONS = ("text_projection", "proj")


def half_precision_on(device: torch.device) -> torch.dtype:
    """Return the number type in which a device computes: float16 on a GPU, float32 on a CPU."""
    return torch.float16 if device.type == "cuda" else torch.float32


def computing_with(side: nn.Module) -> torch.autocast:
    """Return a context in which a module computes matrix products and convolutions in the number type of their weights.

    LayerNorms, softmax, the sums between layers and the normalised vectors stay in float32. With weights in float32, or
    without any, the context changes nothing.
    """
    weight = next(_multiplied_weights(side), torch.empty(0))
    return torch.autocast(weight.device.type, weight.dtype, enabled=weight.dtype != torch.float32)


def convert_weights(side: nn.Module, dtype: torch.dtype) -> None:
    """Convert the weights of matrix products and convolutions in place.

    These are the weights that autocast would convert again for every batch, so that the results are the same.
    Afterwards the module can only be used inside of `computing_with`.
    """
    for weight in _multiplied_weights(side):
        weight.data = weight.data.to(dtype)


def _multiplied_weights(side: nn.Module) -> Iterator[torch.Tensor]:
    for module in side.modules():
        if isinstance(module, nn.Linear | nn.Conv2d | nn.MultiheadAttention):
            yield from module.parameters(recurse=False)
        else:
            found = (getattr(module, name, None) for name in _PROJECTIONS)
            yield from (weight for weight in found if isinstance(weight, nn.Parameter))
