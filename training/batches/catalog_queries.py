"""Queries made from a catalogue: words that a shopper who has one of its products in mind could type.

They say how well a model finds products that no log speaks of. The answer of each is the product that it was made from,
though others may fit.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from artifacts.product_text import plain_values
from artifacts.query_text import normalise_query

LONGEST_VALUE = 30  # characters; longer values of fields are no words of a query
TITLE_WORDS = 3  # at most


def catalog_queries(products: pa.Table, fields: Sequence[str], count: int, seed: int) -> pa.Table:
    """Return queries for products that are drawn at random.

    A query has up to TITLE_WORDS words of the product's title, in their order, and one time in two a value of a field
    before them. Two products for which the same words are drawn are answers of one query.

    Args:
        products: the catalogue: title, product_id, and the fields that it has.
        fields: columns whose values say something of a product.
        count: number of products to draw, at most all.
        seed: decides the draw.

    Returns:
        query, product_id; products without a word give none.
    """
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.choice(len(products), min(count, len(products)), replace=False))
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


def _query(title: str, values: list[str], rng: np.random.Generator) -> str:
    words = title.split()
    some = np.sort(rng.choice(len(words), min(TITLE_WORDS, len(words)), replace=False))
    value = [values[int(rng.integers(len(values)))]] if values and rng.random() < 0.5 else []
    return normalise_query(" ".join([*value, *(words[place] for place in some)]))
