"""Identifiers of products: ids, trade item numbers (GTIN), part numbers of manufacturers (MPN) and stock numbers (SKU).

Two spellings of an identifier are the same if they differ in blanks, dashes, other signs and the case of letters alone.
A trade item number also has one form with and without the zeros that fill it up to 14 digits.
"""

from collections.abc import Iterator

KINDS = ("id", "gtin", "mpn", "sku")  # a product found by an earlier kind comes first
MOST_WORDS = 4  # of an identifier that stands beside other words
_FEWEST_CHARACTERS = 3  # of such an identifier
_GTIN_DIGITS = range(8, 15)


def identifier_key(text: str) -> str:
    """Return what all spellings of an identifier have in common; empty if there is no letter and no digit."""
    return "".join(filter(str.isalnum, text.casefold()))


def identifier_terms(kind: str, text: str) -> list[str]:
    """Return the term by which a product's identifier of a kind is indexed; none for an empty one."""
    key = identifier_key(text)
    if kind == "gtin":
        key = key.lstrip("0")
    return [f"{kind}:{key}"] if key else []


def asked_terms(text: str) -> list[str]:
    """Return the terms of all products that a text can name, by kind."""
    key = identifier_key(text)
    return [
        *(f"{kind}:{key}" for kind in KINDS if key and kind != "gtin"),
        *([f"gtin:{key.lstrip('0')}"] if key.isdigit() and len(key) in _GTIN_DIGITS else []),
    ]


def possible_identifiers(words: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield the parts of a query that can be an identifier beside other words, each with the other words.

    Longer ones come first. Such an identifier has a digit, since words such as `camo` would be one by chance.

    Args:
        words: the query, split at its blanks.
    """
    for length in range(min(MOST_WORDS, len(words) - 1), 0, -1):
        for start in range(len(words) - length + 1):
            named = "".join(words[start : start + length])
            if any(map(str.isdigit, named)) and len(identifier_key(named)) >= _FEWEST_CHARACTERS:
                yield named, words[:start] + words[start + length :]
