"""CLIP's two encoders as towers, built with open_clip: pretrained (by tag or checkpoint), or from scratch.

open_clip takes seconds to load, so this module is imported only where a CLIP is built.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import open_clip
from open_clip.model import CustomTextCLIP
from pydantic import ValidationError
from tokenizers import Tokenizer

from artifacts.records import describe_faults
from artifacts.tower_specs import ClipConfig, PhotoInput, TextInput
from towers.clip_image import ClipImageTower
from towers.clip_text import ClipTextTower
from towers.clip_tokenizer import highest_token_id, portable_tokenizer, text_input
from towers.errors import ClipError, one_line
from towers.small_clip import register_small_clip
from towers.weight_checks import lfs_pointer, nonfinite_weight


@dataclass(frozen=True)
class LoadedClip:
    """An open_clip model split into towers."""

    config: ClipConfig
    photo: PhotoInput
    text: ClipTextTower
    image: ClipImageTower
    tokenizer: Any  # open_clip's: SimpleTokenizer or HFTokenizer
    portable: Tokenizer  # the same in the form that is saved
    text_input: TextInput


def clip_config(architecture: str) -> ClipConfig:
    """Return the configuration of an architecture that open_clip knows, including `vitrine-small`.

    Raises:
        ClipError: open_clip does not know the architecture, or its text encoder is not open_clip's own text
            transformer.
    """
    return _checked(architecture, _known_architecture(architecture))


def _known_architecture(architecture: str) -> dict[str, Any]:
    register_small_clip()
    if architecture not in open_clip.list_models():  # which leaves out names that stand for downloads
        raise ClipError(
            f"{architecture!r} is no CLIP architecture that open_clip knows; "
            "`python -c 'import open_clip; print(open_clip.list_models())'` lists them"
        )
    model: dict[str, Any] = open_clip.get_model_config(architecture)
    return model


def _checked(architecture: str, model: dict[str, Any]) -> ClipConfig:
    """Return the configuration after checking that its text encoder is open_clip's own text transformer."""
    text = model.get("text_cfg", {})
    if text.get("hf_model_name"):
        raise ClipError(
            f"{architecture!r} reads text through a Hugging Face encoder, whose weights are not its own; "
            "choose an architecture with open_clip's text transformer"
        )
    if "multimodal_cfg" in model or text.get("embed_cls"):
        raise ClipError(
            f"{architecture!r} is a CoCa, whose text encoder also writes captions; "
            "choose an architecture that is a CLIP"
        )
    if text.get("pool_type") == "none":
        raise ClipError(
            f"{architecture!r} has a vector for each token of a text and none for the text (pool_type none)"
        )
    if "timm_model_name" in model.get("vision_cfg", {}):  # its weights are CLIP's, never timm's
        model = {**model, "vision_cfg": {**model["vision_cfg"], "timm_model_pretrained": False}}
    try:
        return ClipConfig(architecture=architecture, model=model)
    except ValidationError as error:
        raise ClipError(f"{architecture}: {describe_faults(error)}") from error


def build_clip(config: ClipConfig) -> CustomTextCLIP:
    """Build a CLIP of this configuration with fresh weights."""
    register_small_clip()
    model = copy.deepcopy(config.model)
    unsupported = set(model) - _UNDERSTOOD
    if unsupported:
        raise ClipError(f"{config.architecture}: {', '.join(sorted(unsupported))} is not supported")
    return CustomTextCLIP(
        embed_dim=model["embed_dim"],
        vision_cfg=model["vision_cfg"],
        text_cfg=model["text_cfg"],
        quick_gelu=model.get("quick_gelu", False),
    )


# The last four have no effect on the encoders.
_UNDERSTOOD = {
    *("embed_dim", "vision_cfg", "text_cfg", "quick_gelu"),
    *("custom_text", "init_logit_scale", "init_logit_bias", "nonscalar_logit_scale"),
}
# The smallest encoder in place of the one that is not needed, since a large CLIP takes long to build and much memory.
_SMALLEST_TEXT = {"context_length": 2, "vocab_size": 2, "width": 64, "heads": 1, "layers": 1}
_SMALLEST_VISION = {"image_size": 8, "patch_size": 8, "width": 64, "layers": 1}


def build_text_tower(config: ClipConfig) -> ClipTextTower:
    """Build CLIP's text tower with fresh weights."""
    model = {**config.model, "vision_cfg": _SMALLEST_VISION}
    return ClipTextTower(build_clip(config.model_copy(update={"model": model})).text)


def build_image_tower(config: ClipConfig) -> ClipImageTower:
    """Build CLIP's image tower with fresh weights."""
    model = {**config.model, "text_cfg": _SMALLEST_TEXT}
    clip = build_clip(config.model_copy(update={"model": model}))
    return ClipImageTower(clip.visual, config.model["embed_dim"])


@dataclass(frozen=True)
class _Source:
    """Where open_clip finds a pretrained CLIP."""

    name: str  # for open_clip: an architecture, "local-dir:FOLDER" or "hf-hub:OWNER/NAME"
    weights: str | None  # tag or file; None if the name includes it
    config: ClipConfig


def load_pretrained(architecture: str | None, pretrained: str) -> LoadedClip:
    """Load a pretrained CLIP with open_clip, in evaluation mode.

    Args:
        architecture: a name that open_clip knows, such as "ViT-H-14-quickgelu"; None if `pretrained` has its own
            configuration.
        pretrained: a tag of that architecture, such as "dfn5b" (its weights are downloaded), or the
            path of a local checkpoint (safetensors, or a PyTorch file read with weights_only). With its own
            configuration: a folder with open_clip_config.json and weights, or "hf-hub:OWNER/NAME", which is
            downloaded.

    Raises:
        ClipError: the name, the tag or the checkpoint is unknown or does not fit, its weights are not finite, or the
            tokenizer gives token ids that the model does not have.
    """
    own = pretrained.startswith("hf-hub:") or Path(pretrained).is_dir()
    source = _source_with_config(architecture, pretrained) if own else _source_of_weights(architecture, pretrained)
    config = source.config
    pointer = lfs_pointer(Path(pretrained))
    if pointer:
        raise ClipError(f"{pointer} is a pointer of Git LFS, not the weights; fetch them with: git lfs pull")
    with _reporting(pretrained, config):
        tokenizer = open_clip.get_tokenizer(source.name)
    portable = portable_tokenizer(tokenizer)
    _check_vocabulary(config, portable)
    with _reporting(pretrained, config):
        model = open_clip.create_model(
            source.name,
            pretrained=source.weights,
            force_custom_text=True,
            force_quick_gelu=config.model.get("quick_gelu", False),
            require_pretrained=True,
            weights_only=True,
        )
    name = nonfinite_weight(model)
    if name:
        raise ClipError(f"{pretrained!r} has NaN or infinity in {name}; take another checkpoint")
    preprocess = open_clip.get_model_preprocess_cfg(model)
    return LoadedClip(
        config=config,
        photo=photo_input(preprocess),
        text=ClipTextTower(model.text).eval(),
        image=ClipImageTower(model.visual, config.model["embed_dim"]).eval(),
        tokenizer=tokenizer,
        portable=portable,
        text_input=text_input(tokenizer, config, portable),
    )


@contextmanager
def _reporting(pretrained: str, config: ClipConfig) -> Iterator[None]:
    """Turn any exception of open_clip, torch, safetensors, pickle, transformers or the hub into a sentence."""
    try:
        yield
    except Exception as error:
        raise ClipError(f"{pretrained!r} cannot be loaded as {config.architecture}: {one_line(error)}") from error


def _source_of_weights(architecture: str | None, pretrained: str) -> _Source:
    """Find an architecture of open_clip with one of its tags or a checkpoint file."""
    if architecture is None:
        raise ClipError(
            f"{pretrained!r} is no folder with {_CONFIG_FILE} and no hf-hub: name; "
            "for a tag or a checkpoint file, name the architecture too"
        )
    config = clip_config(architecture)
    tags = open_clip.list_pretrained_tags_by_model(architecture)
    if pretrained in tags and open_clip.get_pretrained_cfg(architecture, pretrained).get("quick_gelu"):
        # open_clip itself would only warn, and run the weights with an activation they were not trained with
        config = config.model_copy(update={"model": {**config.model, "quick_gelu": True}})
    if pretrained not in tags and not Path(pretrained).is_file():
        raise ClipError(
            f"{pretrained!r} is neither a file nor a pretrained tag of {architecture}; "
            f"its tags are {', '.join(tags) or 'none'}"
        )
    return _Source(architecture, pretrained, config)


_CONFIG_FILE = "open_clip_config.json"


def _source_with_config(architecture: str | None, pretrained: str) -> _Source:
    """Find a CLIP with its own configuration and preprocessing."""
    if architecture is not None:
        raise ClipError(f"{pretrained!r} has its own architecture; leave {architecture!r} out")
    name = pretrained if pretrained.startswith("hf-hub:") else f"local-dir:{pretrained}"
    try:
        model = open_clip.get_model_config(name)
    except Exception as error:  # raised by open_clip, json, the hub's client or the operating system
        raise ClipError(f"{_CONFIG_FILE} of {pretrained!r} cannot be read: {one_line(error)}") from error
    label = pretrained.removeprefix("hf-hub:") if name == pretrained else Path(pretrained).resolve().name
    return _Source(name, None, _checked(label, model))


def _check_vocabulary(config: ClipConfig, tokenizer: Tokenizer) -> None:
    there, tokens = config.model["text_cfg"].get("vocab_size", 49408), highest_token_id(tokenizer) + 1
    if tokens > there:
        raise ClipError(
            f"{config.architecture} reads {there} token ids, but its tokenizer gives {tokens}; "
            "a CLIP that was fitted by Vitrine is used by its bundle, not by its checkpoint"
        )


def photo_input(preprocess: dict[str, Any]) -> PhotoInput:
    """Convert open_clip's preprocessing configuration to a PhotoInput."""
    size = preprocess["size"]
    height, width = (size, size) if isinstance(size, int) else size
    return PhotoInput(
        height=height,
        width=width,
        mean=tuple(preprocess["mean"]),
        std=tuple(preprocess["std"]),
        # open_clip draws at random in training only, and is bicubic otherwise
        interpolation="bilinear" if preprocess.get("interpolation") == "bilinear" else "bicubic",
        resize_mode=preprocess.get("resize_mode", "shortest"),
    )
