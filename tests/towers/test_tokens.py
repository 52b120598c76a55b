"""Texts to token ids."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from artifacts.errors import DamagedError
from artifacts.tower_specs import TextInput
from tests.support.specs import tiny_sides, tiny_tokenizer
from towers.tokens import TextTokenizer, read_tokenizers, text_tokenizer
from training.model.tokenizer import train_tokenizer

VOCABULARY = tiny_tokenizer().get_vocab()
START, END = VOCABULARY["[START]"], VOCABULARY["[END]"]
RED, SHOE, BLUE = (VOCABULARY[word] for word in ("red", "shoe", "blue"))


def reader(max_tokens: int = 6, *, fixed_length: bool = False, pad_id: int = 0) -> TextTokenizer:
    return text_tokenizer(tiny_tokenizer(), TextInput(max_tokens=max_tokens, pad_id=pad_id, fixed_length=fixed_length))


def test_texts_are_padded_to_the_longest_of_them() -> None:
    ids = reader().encode(["red", "Red SHOE", ""])
    assert ids.tolist() == [[START, RED, END, 0], [START, RED, SHOE, END], [START, END, 0, 0]]
    assert ids.dtype == np.int64


def test_the_pad_id_is_the_towers_own() -> None:
    assert reader(pad_id=7).encode(["red", ""]).tolist() == [[START, RED, END], [START, END, 7]]


def test_long_texts_are_cut_and_keep_their_end() -> None:
    assert reader(4).encode(["red shoe blue red shoe"]).tolist() == [[START, RED, SHOE, END]]
    assert reader(2).encode(["red"]).tolist() == [[START, END]]


def test_towers_of_fixed_length_get_all_their_columns() -> None:
    ids = reader(fixed_length=True).encode(["red", "red red red red red red red"])
    assert ids.tolist() == [[START, RED, END, 0, 0, 0], [START, RED, RED, RED, RED, END]]


@pytest.mark.parametrize(("fixed_length", "columns"), [(False, 1), (True, 6)])
def test_no_texts_give_no_rows(fixed_length: bool, columns: int) -> None:
    assert reader(fixed_length=fixed_length).encode([]).shape == (0, columns)


def test_the_tokenizer_that_was_given_is_left_alone() -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.enable_padding(length=20)
    before = tokenizer.to_str()
    assert text_tokenizer(tokenizer, TextInput(max_tokens=4, pad_id=0)).encode(["red"]).shape == (1, 3)
    assert tokenizer.to_str() == before


def save_all(folder: Path) -> None:
    for name in ("bibert", "clip"):
        tiny_tokenizer().save(str(folder / f"tokenizer-{name}.json"))


def test_each_text_tower_of_a_side_has_its_tokenizer(tmp_path: Path) -> None:
    save_all(tmp_path)
    query, product = tiny_sides("cat")
    tokenizers = read_tokenizers(tmp_path, query)
    assert {name: tokenizer.text for name, tokenizer in tokenizers.items()} == {
        tower.name: tower.text for tower in query.text_towers
    }
    assert tokenizers["bibert"].encode(["red"]).tolist() == [[START, RED, END]]
    assert list(read_tokenizers(tmp_path, product)) == ["bibert"]


@pytest.mark.parametrize("content", [None, b"", b"{}", b"\xff\xff", b'{"version": "1.0", "model": {}}'])
def test_a_tokenizer_that_cannot_be_read_is_damage(tmp_path: Path, content: bytes | None) -> None:
    save_all(tmp_path)
    path = tmp_path / "tokenizer-clip.json"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DamagedError) as caught:
        read_tokenizers(tmp_path, tiny_sides("cat")[0])
    assert str(caught.value).startswith(f"{path} cannot be read as a tokenizer: ")


def tokens_of(tokenizer: Tokenizer, text: str) -> list[str]:
    """The tokens of a text as a tower reads it."""
    read = text_tokenizer(tokenizer, TextInput(max_tokens=40, pad_id=0))
    return [str(read.tokenizer.id_to_token(number)) for number in read.encode([text])[0].tolist()]


@pytest.mark.parametrize("with_end", [True, False])
@pytest.mark.parametrize("name", ["[PAD]", "[UNK]", "[START]", "[END]"])
def test_names_of_special_tokens_are_text_to_towers_trained_from_scratch(name: str, with_end: bool) -> None:
    tokenizer = train_tokenizer(["red [shoe] pad unk start end"] * 9, 400, with_end=with_end)
    found = tokens_of(tokenizer, f"red {name} shoe{name}")
    word = [f"▁{letters}" for letters in ("[", name[1:-1].lower(), "]")]
    assert found == ["[START]", "▁red", *word, "▁shoe", *word, *["[END]"] * with_end]
    assert found == tokens_of(tokenizer, f"red {name.lower()} shoe {name.lower()}")


def sentence_piece() -> Tokenizer:
    """A tokenizer of the kind of XLM-RoBERTa's, whose vocabulary holds the names of its special tokens as pieces."""
    scores = {"<s>": 0.0, "<pad>": 0.0, "</s>": 0.0, "<unk>": 0.0, "▁": -2.0, "▁red": -3.0}
    scores |= {letter: -9.0 for letter in "<>/spadunkreh"}
    tokenizer = Tokenizer(models.Unigram(list(scores.items()), unk_id=3))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return tokenizer


def byte_pieces() -> Tokenizer:
    """A tokenizer of the kind of T5's with byte fallback, whose vocabulary holds the names of bytes as pieces."""
    names = [f"<0x{byte:02X}>" for byte in range(256)]
    scores = {"<unk>": 0.0, **dict.fromkeys(names, 0.0), "▁": -2.0, "▁red": -3.0}
    scores |= {letter: -9.0 for letter in "<>x0123456789ABCDEFred"}
    tokenizer = Tokenizer(models.Unigram(list(scores.items()), unk_id=0, byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    return tokenizer


def words() -> Tokenizer:
    """A tokenizer whose words are what stands between blanks."""
    tokenizer = Tokenizer(models.WordLevel({"[PAD]": 0, "[UNK]": 1, "red": 2, "[CLS]": 3}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens(["[PAD]", "[CLS]"])
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A", special_tokens=[("[CLS]", 3)])
    return tokenizer


@pytest.mark.parametrize("text", ["red {} red", "{}", "red{}{}red"])
@pytest.mark.parametrize(
    ("make", "names"),
    [(sentence_piece, ["<s>", "<pad>", "</s>"]), (words, ["[PAD]", "[CLS]"])],
    ids=["pieces", "words"],
)
def test_names_that_are_pieces_of_the_vocabulary_are_text_too(
    make: Callable[[], Tokenizer], names: list[str], text: str
) -> None:
    tokenizer = make()
    alone = [name for name in tokens_of(tokenizer, "red") if name in names]  # around every text
    for name in names:
        wide = "".join(chr(ord(letter) - ord("!") + 0xFF01) for letter in name)  # which normalisers make narrow
        for spelled in (name, wide):
            assert [found for found in tokens_of(tokenizer, text.format(*[spelled] * 2)) if found in names] == alone


@pytest.mark.parametrize("make", [sentence_piece, words, tiny_tokenizer], ids=["pieces", "words", "tiny"])
def test_ordinary_texts_are_read_as_before(make: Callable[[], Tokenizer]) -> None:
    tokenizer = make()
    for text in ("red shoes", "\uff52ed <", "", "spade < red >", "[red] shoe [pad]"):
        wanted = tokenizer.encode(text).ids
        assert text_tokenizer(tokenizer, TextInput(max_tokens=40, pad_id=0)).encode([text])[0].tolist() == wanted


@pytest.mark.parametrize("name", ["<0x41>", "<0xE9>", "<0x00>"])
def test_names_of_bytes_are_text(name: str) -> None:
    scratch = train_tokenizer(["red shoe", "0 1 2 x <>"] * 3, 400, with_end=False)
    for tokenizer in (byte_pieces(), scratch):
        assert name not in tokens_of(tokenizer, f"red {name}{name}")
        assert "<0xC3>" in tokens_of(tokenizer, "é")


def test_a_lone_text_gives_what_it_gives_among_others() -> None:
    tower = reader()
    assert tower.encode(["red"]).tolist() == [tower.encode(["red", "red shoe"])[0, :3].tolist()]
    assert text_tokenizer(words(), TextInput(max_tokens=4, pad_id=7)).encode([""]).tolist() == [[3]]
    assert text_tokenizer(byte_pieces(), TextInput(max_tokens=4, pad_id=7)).encode([""]).tolist() == [[7]]
