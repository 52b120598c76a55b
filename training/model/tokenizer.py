"""The WordPiece tokenizer of towers that are trained from scratch."""

from collections import Counter
from collections.abc import Sequence

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

PAD, UNKNOWN, START = "[PAD]", "[UNK]", "[START]"
# CLIP's text encoder takes its vector at the token with the highest id, so the end token has the last id.
END = "[END]"
PAD_ID = 0
CONTINUATION = "##"  # prefix of a piece that continues a word
LARGEST_ALPHABET = 500  # rarer characters become UNKNOWN


def train_tokenizer(texts: Sequence[str], vocabulary_size: int, *, with_end: bool) -> Tokenizer:
    """Return a lower-casing WordPiece tokenizer fitted on texts; the same texts give the same tokenizer.

    Args:
        texts: titles and queries, from which the vocabulary is learned.
        vocabulary_size: the most entries that the vocabulary may have.
        with_end: whether token sequences are START text END, as CLIP needs, or START text.
    """
    vocabulary = {**_learn(texts, vocabulary_size - 1)}
    vocabulary[END] = len(vocabulary)
    tokenizer = _empty(vocabulary)
    tokenizer.add_special_tokens([PAD, UNKNOWN, START, END])
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}" if with_end else f"{START} $A",
        special_tokens=[(START, tokenizer.token_to_id(START)), (END, tokenizer.token_to_id(END))],
    )
    return tokenizer


def _empty(vocabulary: dict[str, int]) -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token=UNKNOWN, continuing_subword_prefix=CONTINUATION))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def _learn(texts: Sequence[str], size: int) -> dict[str, int]:
    """Return pieces and their ids.

    The trainer numbers continuation characters in the order of a hash map and breaks ties by number, so that each
    run would give another vocabulary. Passing these pieces as special tokens, sorted, makes the order deterministic.
    """
    tokenizer = _empty({UNKNOWN: 0})
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(tokenizer.normalizer.normalize_str(text))
    frequent = sorted(counts, key=lambda character: (-counts[character], character))[:LARGEST_ALPHABET]
    alphabet = sorted(character for character in frequent if not character.isspace())
    continuations = [CONTINUATION + character for character in alphabet]
    trainer = trainers.WordPieceTrainer(
        vocab_size=max(size, 3 + 2 * len(alphabet)),
        special_tokens=[PAD, UNKNOWN, START, *continuations],
        initial_alphabet=alphabet,
        limit_alphabet=LARGEST_ALPHABET,
        continuing_subword_prefix=CONTINUATION,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return dict(tokenizer.get_vocab())
