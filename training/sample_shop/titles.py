"""Titles in the style of shops: they have brand, model and style words, but often not colour and pattern.

About four titles in ten name the colour and, independently, four in ten the pattern. For most products a query for a
colour can therefore only be answered from the photo. Material, brand and feature are in most titles and never in the
photo.
"""

import numpy as np

from training.sample_shop.catalogue import (
    BRAND,
    COLOUR,
    FEATURE,
    MATERIAL,
    PATTERN,
    TERMS,
    TYPE,
    Codes,
)
from training.sample_shop.product_types import PRODUCT_TYPES
from training.sample_shop.vocabulary import AUDIENCES, MODELS, SIZES_BY_CATEGORY, STYLE_WORDS

TITLE_NAMES = {  # probability that a title names the attribute
    TYPE: 0.97,
    COLOUR: 0.40,
    PATTERN: 0.40,
    MATERIAL: 0.85,
    BRAND: 0.85,
    FEATURE: 0.80,
}
USUAL_PHRASE = 0.6  # probability of the usual phrase of an attribute with several phrases
MODEL_SHARE, STYLE_SHARE, AUDIENCE_SHARE, SIZE_SHARE = 0.6, 0.35, 0.5, 0.4
_WORN = ("clothing", "shoes")

# Orders of the parts of a title; parts that a title does not have are left out.
_ORDERS: tuple[tuple[int | str, ...], ...] = (
    (BRAND, "model", "audience", "style", FEATURE, COLOUR, PATTERN, MATERIAL, TYPE, "size"),
    (BRAND, "audience", TYPE, "model", MATERIAL, FEATURE, PATTERN, COLOUR, "size"),
    ("style", FEATURE, MATERIAL, TYPE, "model", COLOUR, PATTERN, "size", BRAND),
    ("model", COLOUR, PATTERN, TYPE, MATERIAL, BRAND, "audience", FEATURE, "size"),
)


def write_title(attributes: Codes, rng: np.random.Generator) -> str:
    """Write the title of one product.

    Args:
        attributes: attribute codes of the product, shape (len(ATTRIBUTES),).
        rng: generator that decides which attributes are named, and how; the title depends on nothing else.
    """
    pieces: dict[int | str, str] = _filler(PRODUCT_TYPES[int(attributes[TYPE])].category, rng)
    for attribute, share in TITLE_NAMES.items():
        if rng.random() < share:
            phrases = TERMS[attribute][int(attributes[attribute])].phrases
            usual = len(phrases) == 1 or rng.random() < USUAL_PHRASE
            pieces[attribute] = _capitalised(phrases[0 if usual else int(rng.integers(1, len(phrases)))])
    if TYPE not in pieces:
        pieces.setdefault("model", MODELS[int(rng.integers(len(MODELS)))])
    order = _ORDERS[int(rng.integers(len(_ORDERS)))]
    return " ".join(pieces[piece] for piece in order if piece in pieces)


def _filler(category: str, rng: np.random.Generator) -> dict[int | str, str]:
    """Draw the words of a title that no query contains: model, style, audience, size."""
    sizes = SIZES_BY_CATEGORY[category]
    choices = (
        ("model", MODEL_SHARE, MODELS),
        ("style", STYLE_SHARE, STYLE_WORDS),
        ("audience", AUDIENCE_SHARE if category in _WORN else 0.0, AUDIENCES),
        ("size", SIZE_SHARE, sizes),
    )
    return {name: words[int(rng.integers(len(words)))] for name, share, words in choices if rng.random() < share}


def _capitalised(phrase: str) -> str:
    return " ".join(word[:1].upper() + word[1:] for word in phrase.split(" "))
