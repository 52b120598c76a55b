"""Words of texts: a table of texts and their tokens."""

import pytest

from lexical.tokens import is_word, tokenize, tokenize_query


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("red running shoes", "red running shoes"),
        ("wh-1000xm5", "wh 1000xm5 wh1000xm5"),
        ("65inch tv", "65inch 65 inch tv"),
        ("128gb", "128gb 128 gb"),
        ("750w 3d 4k", "750w 750 w 3d 4k"),
        ("1,5 l 5.5in", "1.5 l 5.5 in"),
        ("t-shirt", "t shirt tshirt"),
        ("women's levi\u2019s", "women womens levi levis"),
        ("red,blue/green", "red blue green"),
        ("crème brûlée, straße", "creme brulee strasse"),
        ("運動靴", "運 動 靴 運動 動靴"),
        ("nike靴", "nike 靴"),
        ("हिन्दी किताब", "हिन्दी किताब"),
        ("й и", "й и"),
        ("", ""),
        ("-- ! --", ""),
    ],
)
def test_tokens(text: str, tokens: str) -> None:
    assert tokenize(text) == tokens.split()


def test_queries_hold_pairs_of_a_script_without_blanks_alone_and_say_what_was_typed_in_one_piece() -> None:
    assert tokenize_query("運動靴 wh-1000xm5 靴") == [["運動", "動靴"], ["wh", "1000xm5", "wh1000xm5"], ["靴"]]


def test_what_can_be_misspelt_is_letters_of_a_script_with_blanks() -> None:
    assert [is_word(token) for token in ("shoes", "кофта", "65", "xm5", "運動")] == [True, True, False, False, False]
