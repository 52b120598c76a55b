"""The WordPiece tokenizer of towers that are trained from scratch."""

from collections.abc import Iterable

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

PAD, UNKNOWN, START = "[PAD]", "[UNK]", "[START]"
# CLIP's text encoder reads its vector at the token with the highest id: the end token stands last.
END = "[END]"
PAD_ID = 0


def train_tokenizer(texts: Iterable[str], vocabulary_size: int) -> Tokenizer:
    """A lower-casing WordPiece tokenizer fitted on titles and queries.

    Sequences are START text END. The vocabulary may come out smaller than asked for.
    """
    tokenizer = Tokenizer(models.WordPiece(unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocabulary_size - 1, special_tokens=[PAD, UNKNOWN, START], show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_special_tokens([END])
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}",
        special_tokens=[(START, tokenizer.token_to_id(START)), (END, tokenizer.token_to_id(END))],
    )
    return tokenizer
