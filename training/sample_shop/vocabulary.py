"""The vocabulary of the sample shop: the values of product attributes and the words for them.

The value of an attribute is one of the terms below. A term has a name and the phrases that titles and queries use for
it, the usual one first. No phrase belongs to two terms, so that the words of a query are unambiguous.
`training/sample_shop/product_types.py` adds the product types.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Term:
    """One value of an attribute."""

    name: str
    phrases: tuple[str, ...]  # lower case, the usual one first
    share: float = 1.0  # share of products, relative to the other terms


def _phrases(text: str) -> tuple[str, ...]:
    """Split a text at its commas."""
    return tuple(phrase.strip() for phrase in text.split(","))


def _term(phrases: str, share: float = 1.0) -> Term:
    """Return a term from phrases separated by commas; the first is also its name."""
    words = _phrases(phrases)
    return Term(words[0], words, share)


COLOURS = (
    _term("black, jet black", 15),
    _term("blue, cobalt", 13),
    _term("white, snow white", 11),
    _term("red, scarlet, crimson", 11),
    _term("grey, gray", 9),
    _term("green, emerald", 9),
    _term("brown, chocolate", 8),
    _term("pink, blush", 7),
    _term("yellow, mustard", 6),
    _term("turquoise, teal, aqua", 5),
    _term("orange, tangerine", 5),
    _term("purple, violet, lilac", 5),
)

PATTERNS = (
    _term("plain, solid, unpatterned", 42),
    _term("striped, stripes, stripy", 19),
    _term("checked, check, gingham", 14),
    _term("dotted, polka dot, dots", 13),
    _term("floral, flower print, flowery", 12),
)
PLAIN = 0  # row of PATTERNS

MATERIALS = tuple(
    _term(phrases)
    for phrases in (
        "cotton",
        "linen",
        "wool, woollen",
        "denim",
        "silk, silky",
        "polyester",
        "nylon",
        "leather",
        "suede",
        "canvas",
        "rubber",
        "ceramic",
        "porcelain, china",
        "stoneware",
        "glass",
        "steel, stainless steel",
        "plastic",
        "velvet",
        "straw, raffia",
        "felt",
        "plush",
        "wood, wooden",
        "recycled",
    )
)

# Brands are invented; BRANDS_BY_CATEGORY lists those of each category.
BRANDS = tuple(
    _term(name)
    for name in (
        "norrvik",
        "tamsin vale",
        "ploverton",
        "kestrelle",
        "juniper row",
        "adelmo",
        "strideholm",
        "fjellgang",
        "corvanne",
        "solebright",
        "oakmere",
        "lumiva",
        "brindle lane",
        "hestia works",
        "quillmoor",
        "pippinwood",
        "tumbletoft",
        "marrowby",
    )
)
BRANDS_BY_CATEGORY = {
    "clothing": ("norrvik", "tamsin vale", "ploverton", "kestrelle", "juniper row", "adelmo"),
    "shoes": ("strideholm", "fjellgang", "corvanne", "solebright", "norrvik", "adelmo"),
    "kitchen": ("oakmere", "hestia works", "quillmoor", "brindle lane", "marrowby"),
    "home": ("oakmere", "lumiva", "brindle lane", "hestia works", "quillmoor"),
    "accessories": ("kestrelle", "juniper row", "adelmo", "fjellgang", "corvanne", "ploverton"),
    "toys": ("pippinwood", "tumbletoft", "marrowby", "solebright"),
}

FEATURES = tuple(
    _term(phrases)
    for phrases in (
        "organic, eco",
        "slim fit, slim",
        "oversized, loose fit",
        "waterproof, rainproof",
        "wedding, bridal",
        "office, work",
        "running, jogging",
        "hiking, trekking",
        "wide fit",
        "vegan",
        "dishwasher safe",
        "handmade, hand made",
        "gift boxed, gift",
        "camping",
        "vintage, retro",
        "outdoor, garden",
        "foldable, folding",
        "washable",
        "travel",
        "lightweight",
        "beach",
        "toddler, baby",
        "educational, learning",
        "birthday, party",
    )
)
FEATURES_BY_CATEGORY = {
    "clothing": ("organic", "slim fit", "oversized", "waterproof", "wedding", "office"),
    "shoes": ("running", "hiking", "waterproof", "wide fit", "vegan", "wedding"),
    "kitchen": ("dishwasher safe", "handmade", "gift boxed", "camping", "vintage"),
    "home": ("vintage", "outdoor", "foldable", "washable", "handmade"),
    "accessories": ("travel", "vegan", "lightweight", "beach", "waterproof", "vintage"),
    "toys": ("toddler", "educational", "outdoor", "birthday", "handmade"),
}

# Words of titles that no query contains.
MODELS = _phrases(
    "Aster, Bramble, Calder, Dorrit, Elowen, Fenwick, Greta, Harlow, Isla, Jasper, "
    "Keld, Larkin, Merrin, Nell, Orla, Perrin, Quince, Rowan, Selby, Thea, "
    "Ullin, Verity, Wren, Yarrow, Zennor, Alba, Birk, Cleo, Delphine, Ember"
)
STYLE_WORDS = (
    "Classic",
    "Everyday",
    "Essential",
    "Modern",
    "Signature",
    "Premium",
    "Cosy",
    "Studio",
    "Urban",
    "Heritage",
)
AUDIENCES = ("Women's", "Men's", "Unisex", "Ladies'")
SIZES_BY_CATEGORY = {
    "clothing": ("Size S", "Size M", "Size L", "XL", "XXL"),
    "shoes": ("EU 37", "EU 39", "EU 41", "EU 43"),
    "kitchen": ("350 ml", "0.5 l", "Set of 2", "Large"),
    "home": ("45 cm", "60 cm", "Large", "Compact"),
    "accessories": ("One Size", "Small", "Medium", "Large"),
    "toys": ("3+", "Small", "XL", "25 cm"),
}
