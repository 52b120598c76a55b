"""The small CLIP architecture `vitrine-small`, for machines without pretrained weights.

It is registered with open_clip: a residual network of 1.3 million parameters (a timm ResNet with one block per stage)
for photos of 80 x 60 pixels, and a text transformer with two layers.
"""

from pathlib import Path
from typing import Any

import open_clip
from timm.models import is_model, register_model
from timm.models.resnet import BasicBlock, ResNet

SMALL_CLIP = "vitrine-small"
_CONFIG_FOLDER = Path(__file__).parent / "clip_models"


def vitrine_resnet(pretrained: bool = False, **options: Any) -> ResNet:
    """Build the image network of vitrine-small, as a factory function of timm.

    Raises:
        ValueError: pretrained weights were requested, but there are none.
    """
    if pretrained:
        raise ValueError("vitrine_resnet has no pretrained weights; train it with `python -m training clip`")
    options = {name: value for name, value in options.items() if not name.startswith(("pretrained", "cache_"))}
    network = ResNet(BasicBlock, layers=(1, 1, 1, 1), channels=(32, 64, 128, 256), **options)
    network.default_cfg = {"pool_size": (3, 2), "input_size": (3, 80, 60), "classifier": "fc"}
    return network


def register_small_clip() -> None:
    """Register `vitrine-small` with open_clip, and its image network with timm; further calls do nothing."""
    if not is_model("vitrine_resnet"):
        register_model(vitrine_resnet)
    if SMALL_CLIP not in open_clip.list_models():
        open_clip.add_model_config(_CONFIG_FOLDER)
