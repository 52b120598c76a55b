"""The tokenizer of towers trained from scratch: every script, nothing unknown, nothing lost but blanks."""

import itertools
import re
import subprocess
import sys
import time
import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from artifacts.query_text import normalise_query
from artifacts.tower_specs import TextInput
from towers.tokens import text_tokenizer
from training.model.tokenizer import END, PAD_ID, START, train_tokenizer

TEXTS = ["Red striped mug", "blue mug", "women's summer dress, size 38", "crème brûlée dish"] * 3
SHOP = """
iphone 15 pro max 256gb|iphone 15 128 gb|ssd 256 gb|sony wh-1000xm5 wh-1000xm4|long-sleeve dress|sleeve 2.5 kg
ワンピース 赤い 花柄|赤いドレス|ガラスのコップ|カラス|かぎ かき|東京 京都 東芝|北欧風の花瓶
เสื้อยืดสีแดง|รองเท้าผู้ชาย|วิทยุ วิทย์|कुल कल|लाल साड़ी|हिन्दी किताब|فستان أحمر|حذاء رجالي|می‌خواهم
donaudampfschifffahrt regenjacke damenregenjacke|jacke straße|đường đuong|áo dài đỏ|платье красное|ёлка елка|👗 ❤️
""".replace("\n", "|").split("|")
ALIKE_BUT_FOR_MARKS = [
    ("ガラス", "カラス"),
    ("パンダ", "ハンダ"),
    ("パン", "バン"),
    ("かぎ", "かき"),
    ("วิทยุ", "วิทย์"),
    ("ป้า", "ป่า"),
    ("कुल", "कल"),
    ("कील", "किल"),
    ("đường", "đuong"),
    ("má", "mà"),
    ("كتب", "كُتب"),
    ("فستان", "فستانة"),
    ("й", "и"),
    ("ёлка", "елка"),
    ("schön", "schon"),
    ("straße", "strasse"),
    ("crème", "creme"),
    ("👩‍🚀", "👩"),
    ("👍🏽", "👍"),
    ("❤️", "❤"),
    ("🇩🇪", "🇫🇷"),
    ("東", "京"),
    ("髙", "高"),
    ("wh-1000xm5", "wh-1000xm4"),
    ("wh-1000xm5", "wh1000xm5"),
    ("2.5", "25"),
    ("2.5", "2 5"),
    ("10²", "102"),
    ("3½", "31/2"),
    ("lego™", "legotm"),
    ("a4", "a 4"),
    ("sleeve", "slee ve"),
    ("c++", "c"),
    ("dresses", "dress es"),
]


@pytest.fixture(scope="module")
def shop() -> Tokenizer:
    return train_tokenizer(SHOP * 3, 900, with_end=False)


@pytest.fixture(scope="module")
def english() -> Tokenizer:
    return train_tokenizer(TEXTS, 400, with_end=False)


def without_blanks(text: str) -> str:
    return re.sub(r"[\s\x00-\x1f\x7f-\x9f\u2581]", "", text)


def test_sequences_begin_with_start_and_end_with_end_where_asked(english: Tokenizer) -> None:
    with_end = train_tokenizer(TEXTS, 400, with_end=True)
    assert with_end.encode("blue mug").tokens[0] == english.encode("blue mug").tokens[0] == START
    assert with_end.encode("blue mug").tokens[-1] == END
    assert END not in english.encode("blue mug").tokens


def test_the_end_token_has_the_highest_id_as_clip_needs() -> None:
    tokenizer = train_tokenizer(TEXTS, 400, with_end=True)
    assert tokenizer.token_to_id(END) == tokenizer.get_vocab_size() - 1
    assert max(tokenizer.encode("red striped mug 猫").ids) == tokenizer.token_to_id(END)


def test_vocabulary_stays_within_its_size_and_padding_is_no_word() -> None:
    many = [f"word{number} of many" for number in range(2000)]
    tokenizer = train_tokenizer(many, 400, with_end=True)
    assert tokenizer.get_vocab_size() == 400
    assert tokenizer.id_to_token(PAD_ID) == "[PAD]"
    assert PAD_ID not in tokenizer.encode("word17 of many").ids


def test_pieces_of_words_are_learned(english: Tokenizer) -> None:
    assert english.encode("striped mug").tokens == [START, "▁striped", "▁mug"]
    assert english.encode("▁mug").tokens == [START, "▁mug"]  # the mark, written by a shopper, is a blank
    assert english.encode("").tokens == [START]


def test_the_same_texts_give_the_same_tokenizer_in_every_process() -> None:
    program = (
        "import hashlib; from training.model.tokenizer import train_tokenizer\n"
        "texts = [f'{a}{b} {b}ing{c}' for a in 'abcdefghij' for b in ('ol', 'up', 'ray') for c in '東京都港区芝公園']\n"
        "print(hashlib.sha256(train_tokenizer(texts, 420, with_end=True).to_str().encode()).hexdigest())"
    )
    runs = [subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert len({run.communicate(timeout=60)[0] for run in runs}) == 1
    assert all(run.returncode == 0 for run in runs)


@pytest.mark.parametrize(("one", "other"), ALIKE_BUT_FOR_MARKS)
def test_words_that_differ_do_not_become_one(one: str, other: str, shop: Tokenizer, english: Tokenizer) -> None:
    for tokenizer in (shop, english):
        assert tokenizer.encode(one).ids != tokenizer.encode(other).ids
        assert tokenizer.encode(normalise_query(one)).ids != tokenizer.encode(normalise_query(other)).ids


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("RED Shoe", "red shoe"),
        ("\uff52\uff45\uff44\u3000\uff53\uff48\uff4f\uff45", "red shoe"),
        ("256GB", "256 gb"),
        ("2.5kg", "2.5 kg"),
        ("ｶﾞﾗｽ", "ガラス"),
        ("ワンピース 赤い", "ワンピース赤い"),
        ("cafe\u0301", "café"),
        ("İstanbul", "istanbul"),
        ("ΟΔΟΣ", "οδος"),
        ("ПЛАТЬЕ", "платье"),
        ("run\u00adning\u200b", "running"),
        ("red\x00shoe\x1f", "red shoe"),
        ("oﬃce", "office"),
    ],
)
def test_what_is_typed_in_two_ways_is_read_in_one(one: str, other: str, shop: Tokenizer, english: Tokenizer) -> None:
    for tokenizer in (shop, english):
        assert tokenizer.encode(one).ids == tokenizer.encode(other).ids


@settings(max_examples=60, deadline=None)
@given(
    st.text(
        st.characters(exclude_categories=["Cs"]) | st.sampled_from("aA5.-ガ赤ー\u3099ั👩\u200d\ufe0f²½™ß\u0307\u0345")
    )
)
@example("赤いred ドレス256gb")
@example("5️⃣ <0x41> [PAD]")
@example("𠮷野家 ⺀ \u3007 ㋿")
@example("İiI\u0307")
def test_nothing_but_blanks_is_lost(text: str) -> None:
    tokenizer = _english()
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    read = tokenizer.decode(ids, skip_special_tokens=False)
    assert without_blanks(read) == without_blanks(tokenizer.normalizer.normalize_str(text))


_made: list[Tokenizer] = []


def _english() -> Tokenizer:
    if not _made:
        tokenizer = train_tokenizer(TEXTS, 400, with_end=False)
        tokenizer.encode_special_tokens = True
        _made.append(tokenizer)
    return _made[0]


@pytest.mark.parametrize("text", [text for text in SHOP if text] + ["страна 東京タワー 5kg", "नमस्ते दुनिया"])
def test_words_of_every_script_come_back(text: str, shop: Tokenizer, english: Tokenizer) -> None:
    for tokenizer in (shop, english):
        wanted = without_blanks(unicodedata.normalize("NFKC", text).lower())
        assert without_blanks(tokenizer.decode(tokenizer.encode(text).ids)) == wanted


def test_words_keep_their_blanks(english: Tokenizer) -> None:
    assert english.decode(english.encode("Red  striped платье 7 ").ids) == "red striped платье 7"
    assert english.decode(english.encode("wh-1000xm5 2.5kg long-sleeve").ids) == "wh-1000xm5 2.5 kg long - sleeve"


def test_numbers_units_and_model_numbers_keep_their_pieces(shop: Tokenizer) -> None:
    assert shop.encode("256gb").tokens[1:] == ["▁256", "▁gb"]
    assert shop.encode("iphone 15 pro max 256gb").tokens[1:] == ["▁iphone", "▁15", "▁pro", "▁max", "▁256", "▁gb"]
    assert all(len(shop.encode(f"wh-1000xm{last}").tokens) <= 4 for last in "45")
    assert shop.encode("2.5 kg").tokens[1:] == ["▁2.5", "▁kg"]
    assert shop.encode("long-sleeve").tokens[-1] == shop.encode("sleeve").tokens[-1] == "▁sleeve"


def test_a_word_in_a_run_without_blanks_is_read_like_one_that_stands_alone(shop: Tokenizer) -> None:
    for run, word in (("赤いワンピース", "ワンピース"), ("ガラスのコップ", "ガラス"), ("花柄ドレス", "ドレス")):
        alone, inside = (shop.encode(text).tokens[1:] for text in (word, run))
        assert any(inside[start : start + len(alone)] == alone for start in range(len(inside)))
    assert len(shop.encode("รองเท้าผู้ชาย").tokens) < 8


def test_characters_that_are_rare_in_the_texts_are_read_as_bytes() -> None:
    texts = ["東京の花瓶"] * 2000 + ["鰯"]
    tokenizer = train_tokenizer(texts, 400, with_end=False)
    assert tokenizer.encode("東京").tokens[1:] == ["東京の花瓶"[:2]] or len(tokenizer.encode("東京").tokens) <= 3
    assert tokenizer.encode("鰯").tokens[1:] == ["<0xE9>", "<0xB0>", "<0xAF>"]


def test_a_large_alphabet_leaves_room_for_pieces() -> None:
    kanji = [chr(code) for code in range(0x4E00, 0x4E00 + 2000)]
    texts = ["".join(pair) for pair in itertools.pairwise(kanji)] + ["red shoes"] * 50
    tokenizer = train_tokenizer(texts, 1000, with_end=False)
    assert tokenizer.get_vocab_size() <= 1000
    assert tokenizer.encode("red shoes").tokens[1:] == ["▁red", "▁shoes"]


@pytest.mark.parametrize(
    "text",
    [
        "a" + "\u0301\u0316" * 10_000,
        "\x00" * 20_000,
        "赤" * 20_000,
        "9." * 10_000,
        "a-1" * 7_000,
        "a" * 20_000,
        "👩\u200d" * 9000,
    ],
)
def test_hostile_texts_are_read_in_no_time(text: str, english: Tokenizer) -> None:
    tower = text_tokenizer(english, TextInput(max_tokens=64, pad_id=PAD_ID))
    started_at = time.process_time()
    assert tower.encode([text]).shape[1] <= 64
    assert time.process_time() - started_at < 0.5
