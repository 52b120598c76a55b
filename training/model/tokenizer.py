"""The tokenizer of towers that are trained from scratch: byte-pair encoding of whole words, in every script.

How a text is read:

1. It gets one form: Unicode's NFKC (letters of full width, ligatures and the like become usual ones), then lower case.
   Marks stay: Japanese voicing marks, the vowel signs of Indian scripts and accents tell words apart.
2. It is split into words, numbers (`2.5`), model numbers (`wh-1000xm5`) and runs of signs. A unit is split from its
   number, so that `256gb` is read like `256 gb`. Blanks end a word and are not read: `long-sleeve` is read like
   `long - sleeve`. Scripts that are written without blanks are split where the script changes, and read in pieces.
3. Words are read in pieces that were frequent in the texts of the fit. A piece that begins a word has a mark, except in
   scripts without blanks, where a word reads the same at the beginning of a run and inside it.
4. A character that is not in the alphabet is read as its bytes in UTF-8, so that no text is unknown.
"""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

PAD, START = "[PAD]", "[START]"
# CLIP's text encoder takes its vector at the token with the highest id, so the end token has the last id.
END = "[END]"
PAD_ID = 0
WORD_START = "\u2581"
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]  # the names that byte fallback looks for
COVERAGE = 0.9995  # share of the characters of the texts that are in the alphabet
LARGEST_ALPHABET = 0.5  # share of the vocabulary
LONGEST_PIECE = 16  # characters; bounds the phrases of scripts without blanks
_ASCII = [character for character in map(chr, range(0x21, 0x7F)) if not character.isupper()]  # in every alphabet

# Scripts that are written without blanks; the prolonged sound mark of Katakana belongs to no script.
_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\u30fc\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_LETTER = rf"[\p{{L}}\p{{M}}\u200c\u200d&&[^{_UNSPACED}]]"
_LETTER_OR_DIGIT = rf"[\p{{L}}\p{{M}}\p{{Nd}}\u200c\u200d&&[^{_UNSPACED}]]"
_WORDS = "|".join(
    (
        r"\p{Nd}+(?:[.,]\p{Nd}+)*",
        # A word, and what hangs on it by a hyphen, a stroke or a dot and has a digit.
        rf"{_LETTER}{_LETTER_OR_DIGIT}*+(?:[-/.]{_LETTER}*+\p{{Nd}}{_LETTER_OR_DIGIT}*+)*",
        r"[\p{Han}\p{Hiragana}][\p{Han}\p{Hiragana}\p{M}\u30fc]*",
        r"[\p{Katakana}\u30fc][\p{Katakana}\p{M}\u30fc]*",
        r"[\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}][\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{M}]*",
        rf"[^\p{{L}}\p{{Nd}}\s\p{{Cc}}{WORD_START}]+",
    )
)
# Forms that NFKC would join to the number or the word before them: 10², 3½, Lego™.
_JOINED_FORMS = r"(?=[\p{No}\u2122\u2120])(?:(?<=\p{Nd})(?=\p{No})|(?<=\p{L})(?=[\u2122\u2120]))"
# What cannot be seen, such as soft hyphens, is dropped as in the form of queries (artifacts/query_text.py).
_UNSEEN = r"[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\x{e0000}-\x{e0fff}]"


def train_tokenizer(texts: Sequence[str], vocabulary_size: int, *, with_end: bool) -> Tokenizer:
    """Return a tokenizer fitted on texts; the same texts give the same tokenizer.

    Args:
        texts: titles and queries, from which alphabet and pieces are learned.
        vocabulary_size: the most entries that the vocabulary may have, where bytes and alphabet leave room for it.
        with_end: whether token sequences are START text END, as CLIP needs, or START text.
    """
    vocabulary, merges = _learn(texts, vocabulary_size - 1)
    tokenizer = _tokenizer(models.BPE({**vocabulary, END: len(vocabulary)}, merges, byte_fallback=True))
    tokenizer.add_special_tokens([PAD, START, END])
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}" if with_end else f"{START} $A",
        special_tokens=[(START, tokenizer.token_to_id(START)), (END, tokenizer.token_to_id(END))],
    )
    return tokenizer


def _tokenizer(model: models.Model) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Replace(Regex(_JOINED_FORMS), " "),
            normalizers.NFKC(),
            normalizers.Lowercase(),
            normalizers.Replace(Regex(_UNSEEN), ""),
            normalizers.Replace("i\u0307", "i"),  # the lower case of the Turkish İ
            normalizers.Replace("\u03c2", "\u03c3"),  # sigma at the end of words
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), "removed", invert=True),
            pre_tokenizers.Metaspace(WORD_START, "always", split=False),
            pre_tokenizers.Split(Regex(rf"{WORD_START}(?![\x00-\x7f])(?=[{_UNSPACED}])"), "removed"),
        ]
    )
    tokenizer.decoder = decoders.Sequence(
        [decoders.ByteFallback(), decoders.Fuse(), decoders.Replace(WORD_START, " "), decoders.Strip(" ", 1, 0)]
    )
    return tokenizer


def _learn(texts: Sequence[str], size: int) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Return pieces with their ids, and the merges that make them.

    The trainer breaks ties by id, and gives ids by what it is told: first the special tokens, then the alphabet by code
    point. It is told the whole alphabet, since its own choice among rare characters is that of a hash map.
    """
    tokenizer = _tokenizer(models.BPE())
    alphabet = _alphabet(tokenizer, texts, int(size * LARGEST_ALPHABET))
    special = [PAD, START, *BYTES]
    trainer = trainers.BpeTrainer(
        vocab_size=max(size, len(special) + len(alphabet)),
        special_tokens=special,
        initial_alphabet=alphabet,
        limit_alphabet=len(alphabet),
        min_frequency=2,
        max_token_length=LONGEST_PIECE,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    learned: dict[str, Any] = json.loads(tokenizer.to_str())["model"]
    return learned["vocab"], [(left, right) for left, right in learned["merges"]]


def _alphabet(tokenizer: Tokenizer, texts: Sequence[str], most: int) -> list[str]:
    """Return the characters of ASCII and the most frequent ones, which make up COVERAGE of the texts, sorted.

    Args:
        tokenizer: gives texts their form.
        texts: titles and queries.
        most: the most characters, where those of ASCII are fewer.
    """
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(tokenizer.normalizer.normalize_str(text))
    for blank in [character for character in counts if character.isspace()]:
        del counts[blank]
    covered, wanted = 0, COVERAGE * counts.total()
    alphabet = {WORD_START, *_ASCII}
    for character in sorted(counts, key=lambda character: (-counts[character], character)):
        if covered >= wanted or len(alphabet) >= most:
            break
        covered += counts[character]
        alphabet.add(character)
    return sorted(alphabet)
