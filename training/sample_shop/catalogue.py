"""The products of the sample shop as arrays: attributes, popularity, price, stock and rating."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from training.sample_shop.product_types import PRODUCT_TYPES, ProductType
from training.sample_shop.vocabulary import (
    BRANDS,
    BRANDS_BY_CATEGORY,
    COLOURS,
    FEATURES,
    FEATURES_BY_CATEGORY,
    MATERIALS,
    PATTERNS,
    Term,
)

# The columns of every attribute matrix, in this order. A value is a code: an index into the attribute's terms.
ATTRIBUTES = ("product_type", "colour", "pattern", "material", "brand", "feature")
TYPE, COLOUR, PATTERN, MATERIAL, BRAND, FEATURE = range(len(ATTRIBUTES))

TERMS: tuple[tuple[Term, ...], ...] = (
    tuple(Term(kind.name, kind.phrases, kind.share) for kind in PRODUCT_TYPES),
    COLOURS,
    PATTERNS,
    MATERIALS,
    BRANDS,
    FEATURES,
)

POPULARITY_EXPONENT = 0.8  # Zipf's law: demand for the r-th most popular product is proportional to r ** -0.8
PRICE_SPREAD = 0.35  # standard deviation of the natural logarithm of the price
IN_STOCK_SHARE = 0.92
PHOTO_MISSING_SHARE = 0.01
RATING_MEAN, RATING_SPREAD = 4.1, 0.4  # stars, of 1 to 5

Codes = NDArray[np.int16]  # attribute codes
Rows = NDArray[np.int64]  # rows of products


@dataclass(frozen=True)
class Products:
    """All products; each array has one row per product."""

    attributes: Codes  # shape (products, len(ATTRIBUTES))
    popularity: NDArray[np.float64]  # probability of being the product in mind, shape (products,)
    price: NDArray[np.float64]  # in the shop's currency
    in_stock: NDArray[np.bool_]
    rating: NDArray[np.float64]  # stars
    has_photo: NDArray[np.bool_]

    def __len__(self) -> int:
        """Return the number of products."""
        return len(self.attributes)

    @cached_property
    def categories(self) -> list[str]:
        """Category of each product."""
        return [PRODUCT_TYPES[kind].category for kind in self.attributes[:, TYPE].tolist()]

    @cached_property
    def rows_by_type(self) -> tuple[Rows, ...]:
        """Rows of the products of each type, ascending."""
        kinds = self.attributes[:, TYPE]
        return tuple(np.flatnonzero(kinds == code) for code in range(len(PRODUCT_TYPES)))


def code_of(attribute: int, name: str) -> int:
    """Return the code of the term with this name, as in ``code_of(COLOUR, "red")``."""
    return [term.name for term in TERMS[attribute]].index(name)


def type_counts(products: int) -> NDArray[np.int64]:
    """Return the number of products of each type: its share, rounded so that the sum is exact, and at least 1."""
    shares = np.array([kind.share for kind in PRODUCT_TYPES])
    spread = products - len(shares)  # each type gets one product in any case
    exact = spread * shares / shares.sum()
    counts = np.floor(exact).astype(np.int64)
    leftover = spread - int(counts.sum())
    counts[np.argsort(counts - exact, kind="stable")[:leftover]] += 1
    result: NDArray[np.int64] = counts + 1
    return result


def make_products(count: int, rng: np.random.Generator) -> Products:
    """Draw `count` products."""
    kinds = rng.permutation(np.repeat(np.arange(len(PRODUCT_TYPES)), type_counts(count)))
    attributes = np.empty((count, len(ATTRIBUTES)), dtype=np.int16)
    attributes[:, TYPE] = kinds
    attributes[:, COLOUR] = rng.choice(len(COLOURS), count, p=_shares(COLOURS))
    attributes[:, PATTERN] = rng.choice(len(PATTERNS), count, p=_shares(PATTERNS))
    median = np.empty(count)
    for code, kind in enumerate(PRODUCT_TYPES):
        rows = np.flatnonzero(kinds == code)
        attributes[rows[:, None], [MATERIAL, BRAND, FEATURE]] = _textual_attributes(kind, len(rows), rng)
        median[rows] = kind.price
    weight = (rng.permutation(count) + 1.0) ** -POPULARITY_EXPONENT
    return Products(
        attributes=attributes,
        popularity=weight / weight.sum(),
        price=np.round(median * np.exp(PRICE_SPREAD * rng.standard_normal(count)), 2),
        in_stock=rng.random(count) < IN_STOCK_SHARE,
        rating=np.clip(np.round(RATING_MEAN + RATING_SPREAD * rng.standard_normal(count), 1), 1.0, 5.0),
        has_photo=_with_photo(count, rng),
    )


def _shares(terms: Sequence[Term]) -> NDArray[np.float64]:
    shares: NDArray[np.float64] = np.array([term.share for term in terms], dtype=np.float64)
    normalised: NDArray[np.float64] = shares / shares.sum()
    return normalised


def _textual_attributes(kind: ProductType, count: int, rng: np.random.Generator) -> Codes:
    """Draw material, brand and feature of products of a type, earlier terms more often; shape (count, 3)."""
    columns = []
    for attribute, names in (
        (MATERIAL, kind.materials),
        (BRAND, BRANDS_BY_CATEGORY[kind.category]),
        (FEATURE, FEATURES_BY_CATEGORY[kind.category]),
    ):
        codes = np.array([code_of(attribute, name) for name in names], dtype=np.int16)
        weight = 1 / np.sqrt(np.arange(1, len(names) + 1))
        columns.append(rng.choice(codes, count, p=weight / weight.sum()))
    return np.stack(columns, axis=1)


def _with_photo(count: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Draw which products have a photo; PHOTO_MISSING_SHARE of them, and at least one, have none."""
    missing = rng.choice(count, max(1, round(count * PHOTO_MISSING_SHARE)), replace=False)
    has_photo = np.ones(count, dtype=np.bool_)
    has_photo[missing] = False
    return has_photo
