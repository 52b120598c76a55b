"""Conversion of open_clip's tokenizers to the format of `tokenizers`, which needs neither torch nor open_clip."""

import gzip
import json
import re
import string
from pathlib import Path
from typing import Any, Literal

import open_clip
from open_clip.tokenizer import HFTokenizer, SimpleTokenizer, get_clean_fn
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from artifacts.tower_specs import ClipConfig, TextInput
from towers.errors import ClipError

# CLIP's own splitting of text into words (Radford et al. 2021), as a pattern for `tokenizers`.
_WORDS = r"'(?i:s|t|re|ve|m|ll|d)|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+"

_QUOTES = [
    normalizers.Replace(Regex(r"[\u02bc\u2018-\u201b]"), "'"),
    normalizers.Replace(Regex(r"[\u201c-\u201f]"), '"'),
]
_SPACES = [normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()]
# What open_clip does with a text before it is tokenized, by its own names. `canonicalize` is SigLIP's.
_CLEAN = {
    "whitespace": [*_QUOTES, normalizers.NFC(), *_SPACES],
    "lower": [*_QUOTES, normalizers.NFC(), *_SPACES, normalizers.Lowercase()],
    "canonicalize": [
        *_QUOTES,
        normalizers.NFC(),
        normalizers.Replace("_", " "),
        normalizers.Replace(Regex(f"[{re.escape(string.punctuation)}]"), ""),
        normalizers.Lowercase(),
        *_SPACES,
    ],
}


def portable_tokenizer(tokenizer: Any) -> Tokenizer:
    """Convert the tokenizer of an open_clip model to a `tokenizers.Tokenizer` that adds the special tokens.

    open_clip also repairs broken encodings (ftfy) and unescapes HTML in captions. Queries are plain Unicode, so only
    one of these steps is kept: typographic quotes, which phones insert, are replaced. Names of special tokens, such as
    "<end_of_text>", are text; see `towers/tokens.py`.

    Raises:
        ClipError: the model's tokenizer cannot be converted.
    """
    if isinstance(tokenizer, HFTokenizer):
        return _hugging_face_tokenizer(tokenizer)
    if isinstance(tokenizer, SimpleTokenizer):
        if tokenizer.reduction_fn is not None:
            raise ClipError("a CLIP tokenizer that shortens texts in its own way (reduction_mask) cannot be served")
        return _byte_pair_tokenizer(tokenizer)
    raise ClipError(f"tokenizers of the kind {type(tokenizer).__name__} cannot be served")


def text_input(tokenizer: Any, config: ClipConfig, portable: Tokenizer) -> TextInput:
    """Return how an open_clip model's texts become token ids.

    Args:
        tokenizer: the model's own tokenizer, which pads all texts to the whole context.
        config: the model.
        portable: `portable_tokenizer(tokenizer)`.
    """
    pad_id = 0  # as open_clip's SimpleTokenizer pads
    side: Literal["right", "left"] = "right"
    if isinstance(tokenizer, HFTokenizer):
        pad_id, side = tokenizer.tokenizer.pad_token_id, tokenizer.tokenizer.padding_side
    return TextInput(
        max_tokens=config.context_length,
        pad_id=pad_id,
        padding_side=side,
        # Where texts end with the pad token itself, an end token cannot be told from padding.
        fixed_length=needs_full_context(config) or side == "left" or pad_id in portable.encode("").ids,
    )


def needs_full_context(config: ClipConfig) -> bool:
    """Return whether texts must be padded to the whole context, as models without a causal mask require."""
    text = config.model["text_cfg"]
    return bool(text.get("no_causal_mask")) or text.get("pool_type") == "last"


def highest_token_id(tokenizer: Tokenizer) -> int:
    """Return the highest id that a text can get: of the pieces, and of the special tokens that are added."""
    return max([*tokenizer.get_vocab(with_added_tokens=False).values(), *tokenizer.encode("").ids])


def _clean(tokenizer: Any) -> list[normalizers.Normalizer]:
    """Return what open_clip does with a text before it is tokenized."""
    return next(steps for name, steps in _CLEAN.items() if tokenizer.clean_fn is get_clean_fn(name))


def _hugging_face_tokenizer(tokenizer: HFTokenizer) -> Tokenizer:
    fast = getattr(tokenizer.tokenizer, "backend_tokenizer", None)
    if fast is None:
        raise ClipError(f"{type(tokenizer.tokenizer).__name__} has no fast form and cannot be served")
    if tokenizer.tokenizer_mode:
        raise ClipError(f"a CLIP tokenizer with the tokenizer_mode {tokenizer.tokenizer_mode!r} cannot be served")
    if tokenizer.tokenizer.pad_token_id is None:
        raise ClipError("the CLIP tokenizer names no pad token, with which open_clip pads texts")
    description = json.loads(fast.to_str())
    if tokenizer.strip_sep_token:
        _number_as_padding(description["post_processor"], tokenizer.tokenizer.sep_token)
    portable = Tokenizer.from_str(json.dumps(description))
    steps = [*_clean(tokenizer), *([portable.normalizer] if portable.normalizer else [])]
    portable.normalizer = normalizers.Sequence(steps)
    return portable


def _number_as_padding(post_processor: dict[str, Any], separator: str) -> None:
    """Give the token that ends a text the id 0 in place, as open_clip does for CLIPA (strip_sep_token)."""
    if post_processor["type"] == "BertProcessing":
        post_processor["sep"] = [separator, 0]
    elif separator in post_processor.get("special_tokens", {}):
        post_processor["special_tokens"][separator]["ids"] = [0]
    else:
        raise ClipError(
            f"a CLIP tokenizer whose {separator} is stripped, but added in an unknown way, cannot be served"
        )


def _byte_pair_tokenizer(simple: SimpleTokenizer) -> Tokenizer:
    start, end = "<start_of_text>", "<end_of_text>"
    tokenizer = Tokenizer(
        models.BPE(vocab=dict(simple.encoder), merges=_merges(), end_of_word_suffix="</w>", unk_token=None)
    )
    tokenizer.normalizer = normalizers.Sequence(_clean(simple))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}",
        special_tokens=[(start, simple.encoder[start]), (end, simple.encoder[end])],
    )
    return tokenizer


def _merges() -> list[tuple[str, str]]:
    """Read the merges of CLIP's byte-pair vocabulary from the file that open_clip ships."""
    path = Path(open_clip.__file__).parent / "bpe_simple_vocab_16e6.txt.gz"
    lines = gzip.decompress(path.read_bytes()).decode("utf-8").split("\n")
    merges = lines[1 : 49152 - 256 - 2 + 1]
    pairs = [tuple(line.split()) for line in merges]
    return [(first, second) for first, second in pairs]
