"""The towers of a model: what each reads, and its sizes. They are part of side.json (artifacts/side.py)."""

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Discriminator,
    Field,
    SerializerFunctionWrapHandler,
    Tag,
    model_serializer,
    model_validator,
)

from artifacts.records import Record

TowerName = Literal["bibert", "clip"]
# Families of Hugging Face encoders that can be BiBERT's body, by transformers' model_type.
EncoderFamily = Literal["bert", "camembert", "distilbert", "electra", "mpnet", "roberta", "xlm-roberta"]
_Positive = Annotated[float, Field(gt=0)]


def _check_field_names(fields: tuple[str, ...]) -> tuple[str, ...]:
    twice = sorted({name for name in fields if fields.count(name) > 1})
    if twice:
        raise ValueError(f"each field may be named once, and {', '.join(twice)} is named again")
    known = sorted({"product_id", "title", "image", "more_images"} & set(fields))
    if known:
        raise ValueError(f"fields are read after the title, which is always read; {', '.join(known)} can be none")
    return fields


# Columns of the catalogue that a text tower reads of a product, after its title.
FieldNames = Annotated[tuple[str, ...], AfterValidator(_check_field_names)]


class TextInput(Record):
    """How a tower's text becomes token ids."""

    max_tokens: int = Field(ge=2)  # longer texts are truncated; special tokens count
    pad_id: int = Field(ge=0)
    prefix: str = ""  # put before every text, as encoders expect it that were trained with one
    fixed_length: bool = False  # pad every text to max_tokens, for towers that also read padding
    padding_side: Literal["right", "left"] = "right"
    fields: FieldNames = ()  # of a product side (artifacts/product_text.py)

    @model_validator(mode="after")
    def _check(self) -> "TextInput":
        if self.padding_side == "left" and not self.fixed_length:
            raise ValueError("texts are padded on the left, which only towers of a fixed length read")
        return self

    @model_serializer(mode="wrap")
    def _without_no_fields(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave fields out where there are none: such a record is what it was before there were fields."""
        content: dict[str, Any] = serialise(self)
        return content if self.fields else {key: value for key, value in content.items() if key != "fields"}


class PhotoInput(Record):
    """How a photo becomes the tensor that an image tower reads."""

    height: int = Field(gt=0)  # pixels
    width: int = Field(gt=0)  # pixels
    mean: tuple[float, float, float]
    std: tuple[_Positive, _Positive, _Positive]
    interpolation: Literal["bicubic", "bilinear"] = "bicubic"
    resize_mode: Literal["shortest", "longest", "squash"] = "shortest"  # open_clip's names


class BertConfig(Record):
    """Sizes of a BiBERT encoder (paper, section 2.2: 2 layers, 4 heads)."""

    vocabulary_size: int = Field(gt=0)
    max_positions: int = Field(gt=0)
    pad_id: int = Field(ge=0)
    width: int = Field(default=256, gt=0)
    layers: int = Field(default=2, gt=0)
    heads: int = Field(default=4, gt=0)
    feed_forward: int = Field(default=1024, gt=0)

    @model_validator(mode="after")
    def _check(self) -> "BertConfig":
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not divisible by {self.heads} heads")
        if self.pad_id >= self.vocabulary_size:
            raise ValueError(f"pad_id {self.pad_id} is not in a vocabulary of {self.vocabulary_size}")
        return self


class PretrainedBertConfig(Record):
    """The first layers of a Hugging Face text encoder, and our projection after them."""

    family: EncoderFamily
    model: dict[str, Any]  # transformers' configuration with the number of layers that are kept
    pooling: Literal["mean", "cls"] = "mean"  # mean over the real tokens, or the first token
    max_positions: int = Field(gt=0)  # number of token positions
    pad_id: int = Field(ge=0)
    width: int = Field(gt=0)  # of the projection


class ClipConfig(Record):
    """An open_clip architecture, as open_clip's own model configuration."""

    architecture: str
    model: dict[str, Any]  # embed_dim, vision_cfg, text_cfg, ...

    @model_validator(mode="after")
    def _check(self) -> "ClipConfig":
        kinds = {"embed_dim": int, "vision_cfg": dict, "text_cfg": dict}
        wrong = [key for key, kind in kinds.items() if not isinstance(self.model.get(key), kind)]
        if wrong:
            raise ValueError(f"the model configuration of {self.architecture} lacks {', '.join(wrong)}")
        return self

    @property
    def context_length(self) -> int:
        """Number of token positions of the text encoder; 77 unless the configuration names another."""
        return int(self.model["text_cfg"].get("context_length", 77))


class BertTowerSpec(Record):
    """A BiBERT tower: reads the query, or the product's title."""

    name: Literal["bibert"] = "bibert"
    config: BertConfig
    text: TextInput

    @model_validator(mode="after")
    def _check(self) -> "BertTowerSpec":
        _check_reading(self.text, self.config)
        return self

    @property
    def width(self) -> int:
        """Length of the tower's vector."""
        return self.config.width


class PretrainedBertTowerSpec(Record):
    """A BiBERT tower whose body was pretrained: reads the query, or the product's title."""

    name: Literal["bibert"] = "bibert"
    kind: Literal["pretrained"] = "pretrained"
    config: PretrainedBertConfig
    text: TextInput

    @model_validator(mode="after")
    def _check(self) -> "PretrainedBertTowerSpec":
        _check_reading(self.text, self.config)
        return self

    @property
    def width(self) -> int:
        """Length of the tower's vector."""
        return self.config.width


class ClipTextTowerSpec(Record):
    """CLIP's text encoder: reads the query."""

    name: Literal["clip"] = "clip"
    modality: Literal["text"] = "text"
    config: ClipConfig
    text: TextInput

    @model_validator(mode="after")
    def _check(self) -> "ClipTextTowerSpec":
        _check_positions(self.text, self.config.context_length)
        return self

    @property
    def width(self) -> int:
        """Length of the tower's vector."""
        return int(self.config.model["embed_dim"])


class ClipImageTowerSpec(Record):
    """CLIP's image encoder: reads the product's photo."""

    name: Literal["clip"] = "clip"
    modality: Literal["image"] = "image"
    config: ClipConfig
    photo: PhotoInput

    @property
    def width(self) -> int:
        """Length of the tower's vector."""
        return int(self.config.model["embed_dim"])


TextTowerSpec = BertTowerSpec | PretrainedBertTowerSpec | ClipTextTowerSpec
TowerSpec = TextTowerSpec | ClipImageTowerSpec


def _check_reading(text: TextInput, config: BertConfig | PretrainedBertConfig) -> None:
    if text.pad_id != config.pad_id:
        raise ValueError(f"texts are padded with {text.pad_id}, the tower reads {config.pad_id}")
    _check_positions(text, config.max_positions)


def _check_positions(text: TextInput, positions: int) -> None:
    if text.max_tokens > positions:
        raise ValueError(f"max_tokens is {text.max_tokens}, but the tower has {positions} positions")


def _kind_of_tower(tower: Any) -> str:
    """Return the kind of a tower's specification, so that faults are reported against the right kind."""
    parts = tower if isinstance(tower, dict) else dict(tower) if isinstance(tower, Record) else {}
    name, kind = parts.get("name", "nameless"), parts.get("modality") or parts.get("kind")
    return f"{name}-{kind}" if kind else str(name)


AnyTower = Annotated[
    Annotated[BertTowerSpec, Tag("bibert")]
    | Annotated[PretrainedBertTowerSpec, Tag("bibert-pretrained")]
    | Annotated[ClipTextTowerSpec, Tag("clip-text")]
    | Annotated[ClipImageTowerSpec, Tag("clip-image")],
    Discriminator(
        _kind_of_tower,
        custom_error_type="unknown_tower",
        custom_error_message="expected name 'bibert', alone or with kind 'pretrained', "
        "or 'clip' with modality 'text' or 'image'",
    ),
]
