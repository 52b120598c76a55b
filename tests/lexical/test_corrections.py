"""Corrections of typing errors: a table of what a shop has, what was typed and what is searched for."""

from pathlib import Path

import pytest

from tests.lexical.words import open_words


@pytest.mark.parametrize(
    ("titles", "typed", "searched"),
    [
        ("red mug; tea pot", "rde mug", "red mug"),
        ("wireless headphones", "headphons", "headphones"),
        ("wireless headphones", "headphhones", "headphones"),
        ("winter boots; garden bolts; winter boots", "botts size 43", "boots size 43"),
        ("winter boots; garden bolts; garden bolts; garden bolts", "winter botts", "winter boots"),  # seen together
        ("55 inch monitor; rich cake", "55 ich monitor", "55 inch monitor"),
        ("chess 2001; go 2000", "2002", "2002"),
        ("kd-55x80l", "kd-55x85l", "kd-55x85l"),
        ("armchair; arm chair", "arm chair", "arm chair"),
        ("tie; tile; tile; tile", "tie", "tie"),  # it exists, however rare it is
        ("vest; vests", "vest", "vest"),
        ("mug", "mugs", "mugs"),  # another form of a word of the shop
        ("cat", "bat", "bat"),  # of three letters, one of which is another, nothing is left to go by
        ("leather belt", "léather, blet!", "léather, belt!"),
        ("leather belt", "quartz clock", "quartz clock"),
        ("leather belt", "weather felt", "weather felt"),  # other words
        ("locket", "pocket", "pocket"),  # a word of the language, as its tokenizer knows
        ("運動靴", "運動帽", "運動帽"),
    ],
)
def test_corrections(tmp_path: Path, titles: str, typed: str, searched: str) -> None:
    words = open_words(tmp_path / "words", titles.split("; "), language_words=["pocket", "wrist"])
    asked = words.understand(typed)
    assert asked.text == searched
    assert asked.is_corrected == (typed != searched)
    assert words.understand(typed, correct=False).text == typed
