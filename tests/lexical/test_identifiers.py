"""Identifiers in every spelling, over products whose texts mention each other's numbers."""

import pytest

from artifacts.query_text import normalise_query
from lexical import WordIndex
from lexical.index import NAMED_SCORE
from tests.lexical.words import open_words

PRODUCTS = [
    ("MUG", "SKU-MUG", "", "", "Mug plain", ""),
    ("MUG-BLUE", "SKU-MUG-BLUE", "", "", "Mug plain blue", ""),
    ("7AB2", "", "7AB2", "", "Seal kit", ""),
    ("7AB4", "", "7AB4", "", "Seal kit", "Fits 7AB2, see also 7AB9"),
    ("200", "", "", "", "Gift card", ""),
    ("42003", "", "", "", "Card holder", ""),
    ("Q7", "", "KD-55X80L", "4006381333931", "Orion television KD-55X80L", ""),
    ("Q8", "", "KD-55X85L", "00012345678905", "Orion television KD-55X85L", ""),
    ("M1", "", "", "", "Wall mount for KD-55X80L television", ""),
    ("DUP-1", "", "777-01", "", "Cable", ""),
    ("DUP-2", "", "77701", "", "Cable", ""),
    ("77701", "", "", "", "Lamp", ""),
]


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> WordIndex:
    ids, skus, mpns, gtins, titles, texts = zip(*PRODUCTS, strict=True)
    folder = tmp_path_factory.mktemp("identifiers") / "words"
    return open_words(folder, titles, id=ids, sku=skus, mpn=mpns, gtin=gtins, other=texts)


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("mug", ["MUG"]),
        ("SKU-MUG", ["MUG"]),
        ("sku mug blue", ["MUG-BLUE"]),
        ("skumugblue", ["MUG-BLUE"]),
        ("7ab2", ["7AB2"]),
        ("7-AB-4", ["7AB4"]),
        ("200", ["200"]),
        ("kd55x80l", ["Q7"]),
        ("KD 55 X80L", ["Q7"]),
        ("orion kd-55x85l", ["Q8"]),
        ("television orion kd 55x85l", ["Q8"]),
        ("wall mount for kd-55x80l", []),  # the television is no wall mount
        ("4006381333931", ["Q7"]),
        ("04006381333931", ["Q7"]),
        ("0012345678905", ["Q8"]),
        ("12345678905", ["Q8"]),
        ("4006381333932", []),  # one digit is another product's
        ("7AB5", []),
        ("77701", ["77701", "DUP-1", "DUP-2"]),  # ids before part numbers
        ("200 candles", []),  # a number beside words that the product does not have
        ("blue", []),
    ],
)
def test_products_that_are_named_come_first(words: WordIndex, query: str, first: list[str]) -> None:
    hits = words.search(words.understand(normalise_query(query)), 5)
    assert [PRODUCTS[row][0] for row in hits.rows[: hits.named]] == first
    assert hits.scores[: hits.named].tolist() == [NAMED_SCORE] * len(first)
    assert sorted(hits.scores.tolist(), reverse=True) == hits.scores.tolist()


def test_a_product_that_only_mentions_a_number_comes_after(words: WordIndex) -> None:
    hits = words.search(words.understand("kd-55x80l"), 5)
    assert [PRODUCTS[row][0] for row in hits.rows[:2]] == ["Q7", "M1"]
