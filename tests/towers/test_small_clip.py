"""vitrine-small: known to open_clip, and as small as it says."""

import warnings

import open_clip
import pytest
import timm
import torch
from torch import nn

from towers.clip import build_image_tower, build_text_tower, clip_config
from towers.small_clip import SMALL_CLIP, register_small_clip, vitrine_resnet


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_it_can_be_registered_twice() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        register_small_clip()
        register_small_clip()
    assert open_clip.list_models().count(SMALL_CLIP) == 1
    assert timm.is_model("vitrine_resnet")


def test_the_image_network_has_about_1_3_million_parameters() -> None:
    assert parameters(vitrine_resnet(num_classes=0)) == pytest.approx(1.3e6, rel=0.08)


def test_it_is_built_from_its_configuration() -> None:
    config = clip_config(SMALL_CLIP)
    image, text = build_image_tower(config).eval(), build_text_tower(config).eval()
    with torch.inference_mode():
        assert image.encode_pixels(torch.zeros(2, 3, 80, 60)).shape == (2, 256)
        assert text(torch.ones(2, 20, dtype=torch.int64)).shape == (2, 256)
    assert parameters(image) == pytest.approx(1.3e6, rel=0.08)
    assert len(text.text.transformer.resblocks) == 2


def test_open_clip_builds_it_by_its_name() -> None:
    register_small_clip()
    model = open_clip.create_model(SMALL_CLIP)
    assert open_clip.get_model_preprocess_cfg(model)["size"] == (80, 60)


def test_there_are_no_pretrained_weights() -> None:
    with pytest.raises(ValueError) as caught:
        vitrine_resnet(pretrained=True)
    assert str(caught.value) == ("vitrine_resnet has no pretrained weights; train it with `python -m training clip`")
