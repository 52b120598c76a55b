"""Specifications and tokenizer of tiny models, which `towers` builds and `artifacts` stores. No torch."""

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from artifacts.side import AlphaConcatenation, Concatenation, MlpFusion, NoFusion, SideSpec
from artifacts.tower_specs import (
    BertConfig,
    BertTowerSpec,
    ClipConfig,
    ClipImageTowerSpec,
    ClipTextTowerSpec,
    PhotoInput,
    TextInput,
)

COMPOSITIONS = ("bibert", "clip", "cat", "alpha", "mlp", "3tmm")
BERT_WIDTH, CLIP_WIDTH, MLP_WIDTH = 32, 24, 40
QUERY_TOKENS, TITLE_TOKENS = 10, 14
ALPHA = 0.3
PAD_ID = 0
QUERIES = [
    "red shoe",
    "a",
    "blue cotton dress for women",
    "",
    "kids red blue toy pan cap xyz and much more text",
]

_WORDS = (
    "red",
    "blue",
    "shoe",
    "shoes",
    "dress",
    "cotton",
    "women",
    "men",
    "kids",
    "toy",
    "pan",
    "cap",
    "for",
)
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


def tiny_tokenizer() -> Tokenizer:
    """A WordPiece tokenizer of a few words and all letters; texts are START ... END (highest id)."""
    pieces = [
        "[PAD]",
        "[UNK]",
        "[START]",
        *_WORDS,
        *_LETTERS,
        *(f"##{letter}" for letter in _LETTERS),
        "[END]",
    ]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[START] $A [END]",
        special_tokens=[(name, vocabulary[name]) for name in ("[START]", "[END]")],
    )
    return tokenizer


def tiny_bert_config() -> BertConfig:
    """BiBERT at width 32, with the paper's 2 layers and 4 heads."""
    return BertConfig(
        vocabulary_size=tiny_tokenizer().get_vocab_size(),
        max_positions=max(QUERY_TOKENS, TITLE_TOKENS),
        pad_id=PAD_ID,
        width=BERT_WIDTH,
        feed_forward=48,
    )


def tiny_bert_specs() -> tuple[BertTowerSpec, BertTowerSpec]:
    """BiBERT's query tower and product tower."""
    config = tiny_bert_config()
    query, title = (TextInput(max_tokens=tokens, pad_id=PAD_ID) for tokens in (QUERY_TOKENS, TITLE_TOKENS))
    return BertTowerSpec(config=config, text=query), BertTowerSpec(config=config, text=title)


def tiny_clip_config(**text: object) -> ClipConfig:
    """A one-layer CLIP over photos of 16 x 16 pixels; `text` overrides keys of its text configuration."""
    model = {
        "embed_dim": CLIP_WIDTH,
        "vision_cfg": {"image_size": 16, "patch_size": 8, "width": 32, "head_width": 16, "layers": 1},
        "text_cfg": {
            "context_length": QUERY_TOKENS,
            "vocab_size": tiny_tokenizer().get_vocab_size(),
            "width": 32,
            "heads": 2,
            "layers": 2,
            **text,
        },
    }
    return ClipConfig(architecture="tiny-clip", model=model)


def tiny_photo_input() -> PhotoInput:
    """How the tiny CLIP reads photos."""
    return PhotoInput(height=16, width=16, mean=(0.5, 0.4, 0.3), std=(0.2, 0.25, 0.3))


def tiny_clip_specs(**text: object) -> tuple[ClipTextTowerSpec, ClipImageTowerSpec]:
    """CLIP's text tower and image tower."""
    config = tiny_clip_config(**text)
    read = TextInput(max_tokens=QUERY_TOKENS, pad_id=PAD_ID, fixed_length=bool(text.get("no_causal_mask")))
    return (
        ClipTextTowerSpec(config=config, text=read),
        ClipImageTowerSpec(config=config, photo=tiny_photo_input()),
    )


def tiny_sides(composition: str) -> tuple[SideSpec, SideSpec]:
    """Query side and product side of one of COMPOSITIONS."""
    (query_bert, product_bert), (clip_text, clip_image) = tiny_bert_specs(), tiny_clip_specs()
    if composition == "bibert":
        return (
            SideSpec(towers=(query_bert,), fusion=NoFusion()),
            SideSpec(towers=(product_bert,), fusion=NoFusion()),
        )
    if composition == "clip":
        return (
            SideSpec(towers=(clip_text,), fusion=NoFusion()),
            SideSpec(towers=(clip_image,), fusion=NoFusion()),
        )
    if composition == "3tmm":  # the product side is fused into BiBERT's space
        return (
            SideSpec(towers=(query_bert,), fusion=NoFusion()),
            SideSpec(towers=(product_bert, clip_image), fusion=MlpFusion(hidden=48, width=BERT_WIDTH)),
        )
    fusion = {
        "cat": Concatenation(),
        "alpha": AlphaConcatenation(alpha=ALPHA),
        "mlp": MlpFusion(hidden=48, width=MLP_WIDTH),
    }[composition]
    return (
        SideSpec(towers=(query_bert, clip_text), fusion=fusion),
        SideSpec(towers=(product_bert, clip_image), fusion=fusion),
    )
