"""Folders of words for these tests."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from artifacts.query_text import normalise_query
from lexical import ProductTexts, WordIndex, write_words


def open_words(
    folder: Path, titles: Sequence[str], *, language_words: Iterable[str] = (), **others: Sequence[str]
) -> WordIndex:
    """Write and open the words of products.

    Args:
        folder: a folder that is not there yet.
        titles: their titles.
        language_words: words that are not corrected.
        others: identifiers by kind, and texts of other fields.
    """
    identifiers = {name: values for name, values in others.items() if name in ("id", "gtin", "mpn", "sku")}
    texts = {name: list(map(normalise_query, values)) for name, values in others.items() if name not in identifiers}
    products = ProductTexts(identifiers, {"title": list(map(normalise_query, titles)), **texts})
    write_words(folder, [products], language_words=language_words)
    return WordIndex.open(folder, len(titles))
