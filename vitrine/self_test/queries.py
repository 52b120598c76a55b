"""Queries such as shoppers type, made from products of the catalogue."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from vitrine.self_test.products import Product

_WORD = re.compile(r"[^\W\d_][\w'\u2019-]+")  # begins with a letter, and has two characters or more
_MOST_WORDS = 4
_KIND_WORDS = 3  # words of a title that a query of its words takes


@dataclass(frozen=True)
class MadeQuery:
    """A query and what it was made of."""

    query: str
    kind: str
    product_id: str  # of the product that it was made from


def made_queries(products: Sequence[Product], count: int) -> list[MadeQuery]:
    """Return queries made from products, of every kind in turn that the catalogue allows, and none twice."""
    turns = [_of_kind(products, kind, make) for kind, make in _KINDS.items()]
    found: dict[str, MadeQuery] = {}
    while turns and len(found) < count:
        for turn in list(turns):
            made = next((made for made in turn if made.query not in found), None)
            if made is None:
                turns.remove(turn)
            elif len(found) < count:
                found[made.query] = made
    return list(found.values())


def _of_kind(products: Sequence[Product], kind: str, make: Callable[[Product], str]) -> Iterator[MadeQuery]:
    for product in products:
        if query := make(product).lower():
            yield MadeQuery(query, kind, product.product_id)


def _words_of_title(product: Product) -> str:
    words = _title_words(product)[:_KIND_WORDS]
    return " ".join(words) if len(words) > 1 else ""


def _type_and_word(product: Product) -> str:
    """Return a word of the title that is neither of the brand nor of the type, and the type."""
    if not product.type:
        return ""
    of_type = {word.lower() for word in _WORD.findall(product.type)}
    words = [word for word in _title_words(product) if word.lower() not in of_type]
    return f"{words[-1]} {_short(product.type)}" if words else ""


def _brand_and_type(product: Product) -> str:
    return _short(product.brand_and_type)


def _title_words(product: Product) -> list[str]:
    of_brand = {word.lower() for word in _WORD.findall(product.brand)}
    return [word for word in _WORD.findall(product.title) if word.lower() not in of_brand]


def _short(text: str) -> str:
    return " ".join(text.split()[:_MOST_WORDS])


_KINDS: dict[str, Callable[[Product], str]] = {
    "words of a title": _words_of_title,
    "brand and type": _brand_and_type,
    "type and a word of a title": _type_and_word,
    "type": lambda product: _short(product.type),
}
