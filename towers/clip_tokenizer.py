"""Conversion of open_clip's tokenizers to the format of `tokenizers`, which needs neither torch nor open_clip."""

import gzip
from pathlib import Path
from typing import Any

import open_clip
from open_clip.tokenizer import HFTokenizer, SimpleTokenizer, get_clean_fn
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from towers.errors import ClipError

_SPACES = [normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()]
# CLIP's own splitting of text into words (Radford et al. 2021), as a pattern for `tokenizers`.
_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+"


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
        if tokenizer.clean_fn is not get_clean_fn("lower") or tokenizer.reduction_fn is not None:
            raise ClipError("a CLIP tokenizer with its own cleaning or reduction of texts cannot be served")
        return _byte_pair_tokenizer(tokenizer)
    raise ClipError(f"tokenizers of the kind {type(tokenizer).__name__} cannot be served")


def _hugging_face_tokenizer(tokenizer: HFTokenizer) -> Tokenizer:
    fast = getattr(tokenizer.tokenizer, "backend_tokenizer", None)
    if fast is None:
        raise ClipError(f"{type(tokenizer.tokenizer).__name__} has no fast form and cannot be served")
    plain = tokenizer.clean_fn is get_clean_fn("whitespace") and not tokenizer.tokenizer_mode
    if tokenizer.strip_sep_token or not plain:
        raise ClipError(
            "open_clip changes this model's texts or token ids around its tokenizer "
            "(clean, strip_sep_token or tokenizer_mode), which cannot be served"
        )
    portable = Tokenizer.from_str(fast.to_str())
    steps = [*_SPACES, portable.normalizer] if portable.normalizer else _SPACES
    portable.normalizer = normalizers.Sequence(steps)
    return portable


def _byte_pair_tokenizer(simple: SimpleTokenizer) -> Tokenizer:
    start, end = "<start_of_text>", "<end_of_text>"
    tokenizer = Tokenizer(
        models.BPE(vocab=dict(simple.encoder), merges=_merges(), end_of_word_suffix="</w>", unk_token=None)
    )
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Replace(Regex(r"[\u02bc\u2018-\u201b]"), "'"),
            normalizers.Replace(Regex(r"[\u201c-\u201f]"), '"'),
            normalizers.NFC(),
            *_SPACES,
            normalizers.Lowercase(),
        ]
    )
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
