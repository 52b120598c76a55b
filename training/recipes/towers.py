"""The records of a recipe's towers: what a text tower reads, and a tower from scratch or a pretrained one."""

from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from artifacts.records import Record
from artifacts.tower_specs import FieldNames


def _kind_of_fields(fields: Any) -> str:
    """Return whether fields are given as a word or as columns, so that faults are reported against that one."""
    return "word" if isinstance(fields, str) else "columns"


class TextRecipe(Record):
    """What a text tower reads of queries and products."""

    query_tokens: int = Field(default=64, ge=3)  # longer texts are cut, special tokens included
    title_tokens: int = Field(default=64, ge=3)  # the same for products' texts: their titles and fields
    # Columns of the catalogue that are read after the title (artifacts/product_text.py); "text": all that hold text
    # which says something of the product (training/batches/fields.py).
    fields: Annotated[
        Annotated[Literal["text"], Tag("word")] | Annotated[FieldNames, Tag("columns")], Discriminator(_kind_of_fields)
    ] = ()


class BertRecipe(TextRecipe):
    """Sizes of a BiBERT that is trained from scratch."""

    vocabulary: int = Field(default=8000, ge=100)  # most entries
    width: int = Field(default=256, gt=0)
    layers: int = Field(default=2, gt=0)  # paper, section 2.2
    heads: int = Field(default=4, gt=0)  # paper, section 2.2
    feed_forward: int = Field(default=1024, gt=0)


def _check_layers(layers: Any) -> Any:
    if isinstance(layers, list | tuple):
        good = all(type(number) is int for number in layers) and all(a < b for a, b in pairwise((-1, *layers)))
        layers = tuple(layers)
    else:
        good = layers == "all" or (type(layers) is int and layers > 0)
    if layers and good:
        return layers
    raise ValueError(
        "expected 'all', how many of the first layers to keep, or a rising list of layer numbers from 0 on"
    )


class LoraRecipe(Record):
    """Low-rank adapters as the only trained part of a pretrained tower (training/model/lora.py)."""

    rank: int = Field(default=8, gt=0)
    alpha: float = Field(default=16, gt=0)  # the adapters' part is multiplied by alpha / rank


class PretrainedBertRecipe(TextRecipe):
    """A Hugging Face encoder, or some of its layers, in place of a BiBERT from scratch."""

    pretrained: str  # a folder, hf-hub:OWNER/NAME, or all-MiniLM-L6-v2 (training/model/encoder_sources.py)
    # The first so many layers, those of these numbers, or all.
    layers: Annotated[int | tuple[int, ...] | Literal["all"], BeforeValidator(_check_layers)] = "all"
    width: int | None = Field(default=None, gt=0)  # width of the tower's vector; by default the encoder's
    pooling: Literal["mean", "cls"] | None = None  # by default the encoder's own, or else the mean
    query_prefix: str | None = None  # put before each query; by default the encoder's own, or else none
    product_prefix: str | None = None  # likewise before each title
    lora: LoraRecipe | None = None


class ClipRecipe(Record):
    """A CLIP that is trained from scratch on the shop's photos."""

    architecture: str = "vitrine-small"
    vocabulary: int = Field(default=8000, ge=100)
    caption_tokens: int = Field(default=64, ge=3)  # at most those of the architecture
    title_share: float = Field(
        default=0.2, ge=0, le=1
    )  # share of titles among the captions, where there are queries too; 1: titles alone


class PretrainedClipRecipe(Record):
    """A CLIP that open_clip loads."""

    pretrained: str  # a tag, a checkpoint file, a folder with open_clip_config.json, or hf-hub:OWNER/NAME
    architecture: str | None = None  # open_clip's name; not for a folder or hf-hub, which name theirs
    lora: LoraRecipe | None = None


def _source_of_tower(tower: Any) -> str:
    """Return which of two records a tower's keys are meant for, so that faults are reported against that one."""
    given = tower if isinstance(tower, dict) else dict(tower) if isinstance(tower, Record) else {}
    return "pretrained" if "pretrained" in given else "scratch"


AnyBertRecipe = Annotated[
    Annotated[BertRecipe, Tag("scratch")] | Annotated[PretrainedBertRecipe, Tag("pretrained")],
    Discriminator(_source_of_tower),
]
AnyClipRecipe = Annotated[
    Annotated[ClipRecipe, Tag("scratch")] | Annotated[PretrainedClipRecipe, Tag("pretrained")],
    Discriminator(_source_of_tower),
]
