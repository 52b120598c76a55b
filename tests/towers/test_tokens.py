"""Texts to token ids."""

from pathlib import Path

import numpy as np
import pytest

from artifacts.errors import DamagedError
from artifacts.side import TextInput
from tests.support.specs import tiny_sides, tiny_tokenizer
from towers.tokens import TextTokenizer, read_tokenizers, text_tokenizer

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
