"""open_clip's tokenizers in the form that serving reads: the same ids, text for text."""

from pathlib import Path

import pytest
from open_clip.tokenizer import HFTokenizer, SigLipTokenizer, SimpleTokenizer
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from artifacts.tower_specs import TextInput
from tests.support.models import tiny_tokenizer
from towers.clip_tokenizer import portable_tokenizer
from towers.errors import ClipError
from towers.tokens import TextTokenizer, text_tokenizer

CONTEXT = 77

TEXTS = [
    "red shoes",
    "",
    "   ",
    "a",
    "Men's T-Shirt (pack of 3), 100% cotton!!",
    "men\u2019s \u201ccool\u201d shoes\u201b",
    "café crème brûlée",
    "cafe\u0301 decomposed",
    "I'll we've don't it'd you're 'S 't 'm",
    "日本語のテスト 靴",
    "Платье красное",
    "φόρεμα",
    "हिन्दी",
    "🎁 gift 👟👟",
    '1234567890 5/8" x 3½ m²',
    "a\u00a0b\u3000c\td\ne\r\nf",
    "\u200bzero width",
    "naïve ÅNGSTRÖM ß İstanbul",
    "a" * 500,
    " ".join(["word"] * 200),
    "x " * 75 + "y",
    "x " * 76 + "y",
    "<b>bold</b> {json: [1, 2]} $%^&*()_+|~`",
    "iPhone15ProMax SIZE:XL—blue…",
    "...",
    "_under_score_",
    "tm™ ® ©",
    "supercalifragilisticexpialidocious",
]


@pytest.fixture(scope="module")
def simple() -> SimpleTokenizer:
    return SimpleTokenizer()


@pytest.fixture(scope="module")
def portable(simple: SimpleTokenizer) -> Tokenizer:
    return portable_tokenizer(simple)


@pytest.fixture(scope="module")
def served(portable: Tokenizer) -> TextTokenizer:
    """As a tower reads it, padded as open_clip pads."""
    return text_tokenizer(portable, TextInput(max_tokens=CONTEXT, pad_id=0, fixed_length=True))


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: ascii(text[:20]))
def test_ids_are_open_clips(simple: SimpleTokenizer, served: TextTokenizer, text: str) -> None:
    assert served.encode([text])[0].tolist() == simple([text], CONTEXT)[0].tolist()


def test_every_printable_character_has_open_clips_ids(simple: SimpleTokenizer, served: TextTokenizer) -> None:
    texts = [f"a{chr(code)}b {chr(code)}" for code in (*range(32, 127), *range(161, 0x180))]
    texts = [text for text in texts if "&" not in text]
    digraphs = "Ĳĳŉſ"  # which open_clip's repair of texts takes apart
    texts = [text for text in texts if not set(digraphs) & set(text)]
    assert len(texts) > 300
    assert served.encode(texts).tolist() == simple(texts, CONTEXT).tolist()


def test_long_texts_are_cut_with_the_end_token_last(simple: SimpleTokenizer, served: TextTokenizer) -> None:
    ids = served.encode(["word " * 300])[0]
    assert len(ids) == CONTEXT
    assert (ids[0], ids[-1]) == (simple.sot_token_id, simple.eot_token_id)
    assert (ids[1:-1] == ids[1]).all() and ids[1] not in (simple.sot_token_id, simple.eot_token_id)


def test_the_end_token_has_the_highest_id(simple: SimpleTokenizer, portable: Tokenizer) -> None:
    assert portable.get_vocab_size() == simple.vocab_size == simple.eot_token_id + 1


def test_a_text_that_spells_a_special_token_is_read_as_text(simple: SimpleTokenizer, served: TextTokenizer) -> None:
    ids = served.encode(["<end_of_text> shoe <start_of_text>"])[0].tolist()
    assert ids.count(simple.eot_token_id) == ids.count(simple.sot_token_id) == 1


def test_it_is_the_same_after_it_was_saved(portable: Tokenizer, tmp_path: Path) -> None:
    portable.save(str(tmp_path / "tokenizer.json"))
    saved = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    for text in TEXTS:
        assert saved.encode(text).ids == portable.encode(text).ids


def test_a_byte_pair_tokenizer_that_shortens_texts_is_refused() -> None:
    with pytest.raises(ClipError) as caught:
        portable_tokenizer(SimpleTokenizer(reduction_mask="simple"))
    assert str(caught.value) == (
        "a CLIP tokenizer that shortens texts in its own way (reduction_mask) cannot be served"
    )


@pytest.mark.parametrize("clean", ["canonicalize", "whitespace", "lower"])
def test_texts_are_cleaned_as_open_clip_cleans_them(clean: str) -> None:
    """In byte-pair tokenizers, where every character and its case would show."""
    tokenizer = SimpleTokenizer(clean=clean)
    text = TextInput(max_tokens=CONTEXT, pad_id=0, fixed_length=True)
    served = text_tokenizer(portable_tokenizer(tokenizer), text)
    marks = [f"a{chr(code)}B {chr(code)}" for code in range(33, 127) if chr(code) != "&"]
    for one in [*TEXTS, *marks]:
        assert served.encode([one])[0].tolist() == tokenizer([one], CONTEXT)[0].tolist(), one


@pytest.fixture(scope="module")
def hugging_face(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer in the folder form of transformers."""
    folder = tmp_path_factory.mktemp("tokenizer")
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tiny_tokenizer(), pad_token="[PAD]", bos_token="[START]", eos_token="[END]"
    )
    fast.save_pretrained(folder)
    return folder


def test_hugging_face_tokenizers_give_the_same_ids(hugging_face: Path) -> None:
    tokenizer = HFTokenizer(str(hugging_face), context_length=12)
    text = TextInput(max_tokens=12, pad_id=0, fixed_length=True)
    served = text_tokenizer(portable_tokenizer(tokenizer), text)
    texts = ["Red  shoes\tfor\u00a0women ", "", "x" * 50, "blue dress, cotton", "\u3000pan"]
    assert served.encode(texts).tolist() == tokenizer(texts).tolist()


def test_names_of_special_tokens_are_text_to_hugging_face_tokenizers(hugging_face: Path) -> None:
    portable = portable_tokenizer(HFTokenizer(str(hugging_face), context_length=24))
    served = text_tokenizer(portable, TextInput(max_tokens=24, pad_id=0))
    typed, written = served.encode(["[PAD] red [END] shoe[START]", "[pad] red [end] shoe [start]"]).tolist()
    assert typed == written


def test_space_is_cleaned_where_the_tokenizer_itself_would_not(tmp_path: Path) -> None:
    words = Tokenizer(models.WordLevel({"[PAD]": 0, "[UNK]": 1, "red": 2, "shoe": 3}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.CharDelimiterSplit(" ")
    PreTrainedTokenizerFast(tokenizer_object=words, pad_token="[PAD]").save_pretrained(tmp_path)
    tokenizer = HFTokenizer(str(tmp_path), context_length=4)
    text = TextInput(max_tokens=4, pad_id=0, fixed_length=True)
    served = text_tokenizer(portable_tokenizer(tokenizer), text)
    texts = ["red\tshoe", "  red \n red shoe\u3000", "shoe"]
    assert served.encode(texts).tolist() == tokenizer(texts).tolist()
    assert served.encode(texts)[0].tolist() == [2, 3, 0, 0]


def test_a_tokenizer_without_a_fast_form_is_refused(hugging_face: Path) -> None:
    class Slow:
        pass

    tokenizer = HFTokenizer(str(hugging_face))
    tokenizer.tokenizer = Slow()
    with pytest.raises(ClipError) as caught:
        portable_tokenizer(tokenizer)
    assert str(caught.value) == "Slow has no fast form and cannot be served"


def test_other_kinds_of_tokenizers_are_refused() -> None:
    with pytest.raises(ClipError) as caught:
        portable_tokenizer(SigLipTokenizer.__new__(SigLipTokenizer))
    assert str(caught.value) == "tokenizers of the kind SigLipTokenizer cannot be served"
