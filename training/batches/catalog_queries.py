"""Queries made from a catalogue: words that a shopper who has one of its products in mind could type.

They say how well a model finds products that no log speaks of, and are trained on beside the log where a recipe says so
(`catalog_queries`). The answer of each is the product that it was made from, though others may fit. A fit is checked on
queries of products of which it was trained on none.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from artifacts.product_text import plain_values
from artifacts.query_text import normalise_query

LONGEST_VALUE = 30  # characters; longer values of fields are no words of a query
TITLE_WORDS = 3  # at most
CHECKED_PRODUCTS = 1000  # at most, and at most CHECKED_SHARE of the catalogue
CHECKED_SHARE = 0.1

Integers = npt.NDArray[np.int64]


def check_queries(products: pa.Table, fields: Sequence[str], seed: int) -> pa.Table:
    """Return the queries that a fit is checked on: one for each of the products that are set apart for that."""
    return catalog_queries(products, fields, _set_apart(len(products), seed), seed)


def training_queries(products: pa.Table, fields: Sequence[str], each: int, seed: int) -> pa.Table:
    """Return the queries that a fit is trained on: so many for each product that is not set apart for the check."""
    others = np.setdiff1d(np.arange(len(products)), _set_apart(len(products), seed))
    drawn = [catalog_queries(products, fields, others, (seed, time)) for time in range(each)]
    return pa.concat_tables([_NONE, *drawn])


def most_training_queries(products: int, each: int) -> int:
    """Return how many queries `training_queries` makes of so many products where each has a word."""
    return each * (products - _count_apart(products))


def _set_apart(products: int, seed: int) -> Integers:
    """Return the rows of the products whose queries a fit is checked on, rising."""
    return np.sort(np.random.default_rng(seed).choice(products, _count_apart(products), replace=False))


def _count_apart(products: int) -> int:
    return min(CHECKED_PRODUCTS, math.ceil(CHECKED_SHARE * products))


def catalog_queries(products: pa.Table, fields: Sequence[str], rows: Integers, seed: int | tuple[int, ...]) -> pa.Table:
    """Return a query for each of some products.

    A query has up to TITLE_WORDS words of the product's title, in their order, and one time in two a value of a field
    before them. Two products for which the same words are drawn are answers of one query.

    Args:
        products: the catalogue: title, product_id, and the fields that it has.
        fields: columns whose values say something of a product.
        rows: places of the products in the catalogue.
        seed: decides which words are drawn.

    Returns:
        query, product_id; products without a word give none.
    """
    rng = np.random.default_rng(seed)
    drawn = products.take(pa.array(rows))
    values = [plain_values(drawn[field]).to_pylist() for field in fields if field in drawn.column_names]
    pairs = []
    for place, (title, product_id) in enumerate(
        zip(drawn["title"].to_pylist(), drawn["product_id"].to_pylist(), strict=True)
    ):
        given = [value for column in values if (value := column[place]) and len(value) <= LONGEST_VALUE]
        if query := _query(title or "", given, rng):
            pairs.append((query, product_id))
    return pa.table({name: pa.array([pair[at] for pair in pairs], pa.string()) for at, name in enumerate(_COLUMNS)})


_COLUMNS = ("query", "product_id")
_NONE = pa.table({name: pa.array([], pa.string()) for name in _COLUMNS})


def _query(title: str, values: list[str], rng: np.random.Generator) -> str:
    words = title.split()
    some = np.sort(rng.choice(len(words), min(TITLE_WORDS, len(words)), replace=False))
    value = [values[int(rng.integers(len(values)))]] if values and rng.random() < 0.5 else []
    return normalise_query(" ".join([*value, *(words[place] for place in some)]))
