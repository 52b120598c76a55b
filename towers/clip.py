"""CLIP's two encoders as towers, by open_clip: pretrained by name and tag, from a checkpoint, or from scratch.

Shapes: b batch size, t tokens, d CLIP's embedding width.
"""

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.model import CustomTextCLIP
from open_clip.transformer import TextTransformer, text_global_pool
from torch import Tensor, nn

from artifacts.side import ClipConfig, PhotoInput
from towers.errors import ClipError
from towers.small_clip import register_small_clip


@dataclass(frozen=True)
class PhotoBatch:
    """Photos of b products, some of which may have none.

    Attributes:
        pixels: (n, 3, height, width) float32, normalised; one entry for each product that has a photo.
        present: (b,) bool, with n of them true, in the same order.
    """

    pixels: Tensor
    present: Tensor


class ClipTextTower(nn.Module):
    """CLIP's text encoder."""

    def __init__(self, text: TextTransformer) -> None:
        super().__init__()
        self.text = text

    def forward(self, ids: Tensor) -> Tensor:
        """Vectors of token sequences, not normalised: (b, t) int64 -> (b, d).

        A causal model is run over the t tokens that are there and not over its whole context: what
        follows the end token cannot change the vector.
        """
        text, t = self.text, ids.shape[1]
        states = text.token_embedding(ids) + text.positional_embedding[:t]
        mask = None if text.attn_mask is None else text.attn_mask[:t, :t].to(states.dtype)
        states = text.ln_final(text.transformer(states, attn_mask=mask))
        pooled = text_global_pool(states, ids, pool_type=text.pool_type, eos_token_id=text.eos_id)
        if isinstance(text.text_projection, nn.Linear):
            return text.text_projection(pooled)  # type: ignore[no-any-return]
        return pooled if text.text_projection is None else pooled @ text.text_projection


def needs_full_context(config: ClipConfig) -> bool:
    """Whether texts must be padded to the model's whole context: without a causal mask, padding counts."""
    text = config.model["text_cfg"]
    return bool(text.get("no_causal_mask")) or text.get("pool_type") == "last"


class ClipImageTower(nn.Module):
    """CLIP's image encoder.

    A product without a usable photo gets `no_image`: the mean direction of the photos of the catalogue
    that the model was made for. Towards a query it scores as a photo does on average, so that its title
    decides where it stands.
    """

    no_image: Tensor

    def __init__(self, visual: nn.Module, width: int) -> None:
        super().__init__()
        self.visual = visual
        self.register_buffer("no_image", torch.full((width,), width**-0.5))

    def forward(self, photos: PhotoBatch) -> Tensor:
        """Vectors of products' photos, not normalised where there is a photo: (b, d)."""
        if bool(photos.present.all()):
            return self.encode_pixels(photos.pixels)
        vectors = self.no_image.expand(len(photos.present), -1).clone()
        if len(photos.pixels):
            vectors[photos.present] = self.encode_pixels(photos.pixels).to(vectors.dtype)
        return vectors

    def encode_pixels(self, pixels: Tensor) -> Tensor:
        """Vectors of photos, not normalised: (n, 3, height, width) -> (n, d)."""
        vectors: Tensor = self.visual(pixels)
        return vectors


@dataclass(frozen=True)
class LoadedClip:
    """An open_clip model taken apart into towers."""

    config: ClipConfig
    photo: PhotoInput
    text: ClipTextTower
    image: ClipImageTower
    tokenizer: Any  # open_clip's: SimpleTokenizer or HFTokenizer
    logit_scale: float


def clip_config(architecture: str) -> ClipConfig:
    """The configuration of an architecture that open_clip knows, `vitrine-small` included.

    Raises:
        ClipError: open_clip knows no such architecture, or its text side is not self-contained.
    """
    register_small_clip()
    model = open_clip.get_model_config(architecture)
    if model is None:
        raise ClipError(
            f"{architecture!r} is no CLIP architecture that open_clip knows; "
            "`python -c 'import open_clip; print(open_clip.list_models())'` lists them"
        )
    if model["text_cfg"].get("hf_model_name"):
        raise ClipError(
            f"{architecture!r} reads text through a Hugging Face encoder that is not part of its own weights; "
            "choose an architecture with open_clip's text transformer"
        )
    return ClipConfig(architecture=architecture, model=model)


def build_clip(config: ClipConfig) -> CustomTextCLIP:
    """A CLIP of this configuration with fresh weights."""
    register_small_clip()
    model = copy.deepcopy(config.model)
    unsupported = set(model) - {"embed_dim", "vision_cfg", "text_cfg", "quick_gelu", "custom_text"} - _IGNORED
    if unsupported:
        raise ClipError(f"{config.architecture}: {', '.join(sorted(unsupported))} is not supported")
    return CustomTextCLIP(
        embed_dim=model["embed_dim"],
        vision_cfg=model["vision_cfg"],
        text_cfg=model["text_cfg"],
        quick_gelu=model.get("quick_gelu", False),
    )


_IGNORED = {"init_logit_scale", "init_logit_bias", "nonscalar_logit_scale", "multimodal_cfg"}


def build_text_tower(config: ClipConfig) -> ClipTextTower:
    """CLIP's text tower with fresh weights."""
    return ClipTextTower(build_clip(config).text)


def build_image_tower(config: ClipConfig) -> ClipImageTower:
    """CLIP's image tower with fresh weights."""
    return ClipImageTower(build_clip(config).visual, config.model["embed_dim"])


def load_pretrained(architecture: str, pretrained: str) -> LoadedClip:
    """A pretrained CLIP through open_clip.

    Args:
        architecture: a name that open_clip knows, such as "ViT-H-14-quickgelu".
        pretrained: a tag of that architecture, such as "dfn5b" (its weights are downloaded), or the
            path of a local checkpoint (safetensors, or a PyTorch file read with weights_only).

    Raises:
        ClipError: the name, the tag or the checkpoint is unknown or does not fit.
    """
    config = clip_config(architecture)
    tags = open_clip.list_pretrained_tags_by_model(architecture)
    if pretrained not in tags and not Path(pretrained).is_file():
        raise ClipError(
            f"{pretrained!r} is neither a file nor a pretrained tag of {architecture}; "
            f"its tags are {', '.join(tags) or 'none'}"
        )
    try:
        model = open_clip.create_model(
            architecture, pretrained=pretrained, force_custom_text=True, require_pretrained=True
        )
    except (RuntimeError, OSError, ValueError, KeyError) as error:
        raise ClipError(f"{pretrained!r} cannot be loaded as {architecture}: {error}") from error
    preprocess = open_clip.get_model_preprocess_cfg(model)
    return LoadedClip(
        config=config,
        photo=photo_input(preprocess),
        text=ClipTextTower(model.text),
        image=ClipImageTower(model.visual, config.model["embed_dim"]),
        tokenizer=open_clip.get_tokenizer(architecture),
        logit_scale=float(model.logit_scale.exp()),
    )


def photo_input(preprocess: dict[str, Any]) -> PhotoInput:
    """open_clip's preprocessing configuration as our record."""
    size = preprocess["size"]
    height, width = (size, size) if isinstance(size, int) else size
    return PhotoInput(
        height=height,
        width=width,
        mean=tuple(preprocess["mean"]),
        std=tuple(preprocess["std"]),
        interpolation=preprocess.get("interpolation", "bicubic"),
        resize_mode=preprocess.get("resize_mode", "shortest"),
    )
