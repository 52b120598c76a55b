"""Words that say yes or no, in stock or not, and nothing at all."""

import re

from artifacts.placeholders import PLACEHOLDERS

# What feeds write in place of a value that they do not have, in lower case.
NOTHING = frozenset({*PLACEHOLDERS, "\\n", "(null)", "undefined"})

# Single letters but y and n are sizes and codes more often than words.
_YES = frozenset(
    "yes y true on ja oui sí si sim tak da да evet igen kyllä ano wahr vrai vero verdadero waar ✓ ✔".split()  # noqa: SIM905
)
_NO = frozenset(
    "no n false off nein non não nao nie ne нет hayır nem ei falsch faux falso onwaar".split()  # noqa: SIM905
)
_IN_STOCK = frozenset({
    "in stock", "instock", "available", "availability in stock", "limited availability", "online only", "in store only",
    "lagernd", "auf lager", "verfügbar", "lieferbar", "sofort lieferbar", "vorrätig", "disponible", "en stock",
    "en existencia", "disponibile", "op voorraad", "leverbaar", "dostępny", "na stanie", "skladem", "в наличии",
    "em estoque", "disponível", "stokta", "i lager", "på lager", "varastossa", "raktáron", "low stock", "few left",
})  # fmt: skip
_OUT_OF_STOCK = frozenset({
    "out of stock", "outofstock", "sold out", "soldout", "unavailable", "not available", "discontinued", "no stock",
    "nicht verfügbar", "nicht lieferbar", "nicht auf lager", "ausverkauft", "vergriffen", "épuisé", "rupture de stock",
    "indisponible", "agotado", "sin stock", "no disponible", "esaurito", "non disponibile", "niet op voorraad",
    "uitverkocht", "niedostępny", "brak", "vyprodáno", "нет в наличии", "esgotado", "indisponível", "tükendi",
    "slut i lager", "udsolgt",
})  # fmt: skip
_PREORDER = frozenset({"preorder", "pre order", "vorbestellbar", "presale", "available for preorder", "précommande"})
_BACKORDER = frozenset({
    "backorder", "back order", "onbackorder", "on backorder", "available for order", "on order", "auf bestellung",
    "sur commande", "made to order",
})  # fmt: skip
IN_STOCK, OUT_OF_STOCK, PREORDER, BACKORDER = "in stock", "out of stock", "preorder", "backorder"
_BLANKS = re.compile(r"[\s_\-]+")


def is_nothing(text: str) -> bool:
    """Return whether a text stands in place of a value that is missing."""
    return text.strip().lower() in NOTHING


def read_yes_or_no(text: str) -> bool | None:
    """Return True or False for a word that says so; None for all others, 0 and 1 among them."""
    word = text.strip().casefold()
    return True if word in _YES else False if word in _NO else None


def read_availability(text: str) -> str | None:
    """Return whether a product can be had, in Google Merchant's words, and None for unknown words."""
    word = _BLANKS.sub(" ", text.strip().casefold().rsplit("schema.org/", 1)[-1]).strip()
    if word in _PREORDER or word in _BACKORDER:
        return PREORDER if word in _PREORDER else BACKORDER
    if word in _IN_STOCK or word in _OUT_OF_STOCK:
        return IN_STOCK if word in _IN_STOCK else OUT_OF_STOCK
    said = read_yes_or_no(word)
    return None if said is None else IN_STOCK if said else OUT_OF_STOCK
