"""Queries as shoppers type them, made from the words of a product: what a model learns from where there is no log.

Two to four words, mostly the kind of the product with what it is to be like: "black backpack", "nike running shoes",
"wh-1000xm5"; some with a typing error, other word order or number (training/batches/rewording.py). Words that many
titles hold are drawn more often than rare ones. The answer of each query is the product that it was made from, though
others may fit.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from artifacts.product_text import plain_values
from artifacts.query_text import normalise_query
from training.batches.catalog_queries import LONGEST_VALUE
from training.batches.columns_by_role import brand_column, categories, category_column, model_columns
from training.batches.rewording import reworded
from training.batches.title_words import TitleWords, is_code, words_of

MOST_VALUE_WORDS = 3  # longer values of fields are no words of a query
REWORDED_SHARE = 0.2
_KIND_LAST = 0.8  # share of the queries in which the kind follows what it is to be like

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class _Product:
    """The words of one product, by what they say.

    Attributes:
        title: the words of its title.
        kind: what the product is, by its category or by a word of its title.
        brand: its brand, by a column or by the first word of its title.
        codes: model numbers.
        values: values of its other fields.
    """

    title: list[str]
    kind: list[str]
    brand: str | None
    codes: list[str]
    values: list[str]


class ShopperQueries:
    """Makes queries of the products of a catalogue.

    Args:
        products: the catalogue: title, product_id, and further columns.
        fields: columns whose values say something of a product (training/batches/fields.py).
    """

    def __init__(self, products: pa.Table, fields: Sequence[str]) -> None:
        self._titles = [words_of(title or "") for title in products["title"].to_pylist()]
        self._categories = categories(products, fields)
        self._words = TitleWords.of(self._titles, self._categories)
        brand = brand_column(fields)
        self._brands = _values(products, brand) if brand else [words[0] if words else None for words in self._titles]
        self._models = [_values(products, name) for name in model_columns(products)]
        others = [name for name in fields if name not in (brand, category_column(products, fields))]
        self._fields = [_values(products, name) for name in others if name in products.column_names]

    def queries(self, row: int, count: int, rng: np.random.Generator) -> list[str]:
        """Return distinct queries of a product, so many or fewer; none where it has no word.

        Args:
            row: place of the product in the catalogue.
            count: how often a query is drawn.
            rng: draws words and their order.
        """
        product = self._product(row)
        if not (product.title or product.kind or product.values):
            return []
        found: dict[str, None] = {}
        for form in np.searchsorted(_BOUNDS, rng.random(count), side="right").tolist():
            words = normalise_query(" ".join(_FORMS[form](self, product, rng))).split()
            query = " ".join(dict.fromkeys(words))
            found[reworded(query, rng) if rng.random() < REWORDED_SHARE else query] = None
        return [query for query in found if query]

    def _product(self, row: int) -> _Product:
        title, category = self._titles[row], self._categories[row]
        kinds = [self._words.kind(title), category if category and len(category.split()) <= MOST_VALUE_WORDS else None]
        values = [value for column in self._fields if (value := column[row])]
        codes = [value for column in self._models if (value := column[row])]
        return _Product(
            title,
            [kind for kind in kinds if kind],
            self._brands[row],
            [*codes, *filter(is_code, title)],
            values,
        )

    def _some_words(self, product: _Product, count: int, rng: np.random.Generator) -> list[str]:
        """Return words of a title in its order; those that many titles hold are drawn more often."""
        words = product.title
        if len(words) <= count:
            return words
        weights = np.sqrt([self._words.titles[word] for word in words])
        drawn = rng.choice(len(words), count, replace=False, p=weights / weights.sum())
        return [words[place] for place in sorted(drawn.tolist())]

    def _likeness(self, product: _Product, count: int, rng: np.random.Generator) -> list[str]:
        """Return so many things that a product is like: a word of its title, or a value of a field."""
        found = self._some_words(product, count, rng)
        if product.values and rng.random() < 0.5:
            value = product.values[int(rng.integers(len(product.values)))]
            found = [value, *found[: count - 1]]
        return found

    def _kind(self, product: _Product, rng: np.random.Generator) -> list[str]:
        """Return what a product is, mostly by a word of its title; a word of its title where that is not known."""
        if not product.kind:
            return self._some_words(product, 1, rng)
        return [product.kind[0] if rng.random() < 0.7 else product.kind[-1]]

    def kind_alone(self, product: _Product, rng: np.random.Generator) -> list[str]:
        """Return what the product is."""
        return self._kind(product, rng)

    def like_kind(self, product: _Product, rng: np.random.Generator) -> list[str]:
        """Return what the product is with one thing that it is like."""
        return _ordered(self._likeness(product, 1, rng), self._kind(product, rng), rng)

    def like_like_kind(self, product: _Product, rng: np.random.Generator) -> list[str]:
        """Return what the product is with two things that it is like."""
        return _ordered(self._likeness(product, 2, rng), self._kind(product, rng), rng)

    def brand_kind(self, product: _Product, rng: np.random.Generator) -> list[str]:
        """Return brand and kind."""
        return [*([product.brand] if product.brand else []), *self._kind(product, rng)]

    def brand_like_kind(self, product: _Product, rng: np.random.Generator) -> list[str]:
        """Return brand and kind with one thing that the product is like."""
        brand = [product.brand] if product.brand else []
        return [*brand, *_ordered(self._likeness(product, 1, rng), self._kind(product, rng), rng)]

    def title_words(self, product: _Product, rng: np.random.Generator) -> list[str]:
        """Return two to four words of the title."""
        return self._some_words(product, int(rng.integers(2, 5)), rng) or self._kind(product, rng)

    def title_part(self, product: _Product, rng: np.random.Generator) -> list[str]:
        """Return three to six words of the title that follow each other, as if pasted."""
        length = int(rng.integers(3, 7))
        start = int(rng.integers(max(1, len(product.title) - length + 1)))
        return product.title[start : start + length] or self._kind(product, rng)

    def code(self, product: _Product, rng: np.random.Generator) -> list[str]:
        """Return a model number, half the time after the brand; words of the title where there is none."""
        if not product.codes:
            return self.title_words(product, rng)
        code = product.codes[int(rng.integers(len(product.codes)))]
        return [product.brand, code] if product.brand and rng.random() < 0.5 else [code]


_Form = Callable[[ShopperQueries, _Product, np.random.Generator], list[str]]
_SHARES: dict[_Form, float] = {
    ShopperQueries.kind_alone: 0.05,
    ShopperQueries.like_kind: 0.25,
    ShopperQueries.like_like_kind: 0.2,
    ShopperQueries.brand_kind: 0.1,
    ShopperQueries.brand_like_kind: 0.1,
    ShopperQueries.title_words: 0.2,
    ShopperQueries.title_part: 0.05,
    ShopperQueries.code: 0.05,
}
_FORMS = tuple(_SHARES)
_BOUNDS = np.cumsum(list(_SHARES.values())[:-1])


def _values(products: pa.Table, column: str) -> list[str | None]:
    """Return the values of a column that are short enough to be typed; None for others."""
    values = plain_values(products[column]).to_pylist()
    return [
        value if value and len(value) <= LONGEST_VALUE and len(value.split()) <= MOST_VALUE_WORDS else None
        for value in values
    ]


def _ordered(likeness: list[str], kind: list[str], rng: np.random.Generator) -> list[str]:
    return [*likeness, *kind] if rng.random() < _KIND_LAST else [*kind, *likeness]
