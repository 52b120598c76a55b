"""Relevance of a product for a query: the rule behind the simulated purchases and the judgments.

An *intent* is the meaning of a query: one code for each attribute, UNSTATED for attributes that the query does not
state. The product type is always stated.

- Exact: the type and every stated attribute match.
- Substitute: the type matches and exactly one stated attribute differs; or the product is of a sibling type and every
  stated attribute matches.
- Complement: one of the COMPLEMENTS_PER_TYPE most popular products of the types that complement the stated one.
- Irrelevant: all others.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.sample_shop.catalogue import TYPE, Codes, Products, Rows, code_of
from training.sample_shop.product_types import PRODUCT_TYPES

UNSTATED = -1
EXACT, SUBSTITUTE, COMPLEMENT, IRRELEVANT = range(4)  # grades
COMPLEMENTS_PER_TYPE = 50


@dataclass(frozen=True)
class Relevant:
    """Rows of the relevant products of an intent; no row has two labels."""

    exact: Rows
    substitutes: Rows
    complements: Rows  # most popular first


class RelevanceRule:
    """The relevance rule for one catalogue; everything that does not depend on the query is computed once."""

    def __init__(self, products: Products) -> None:
        """Group the products by type, and find the complements of each type."""
        self._products = len(products)
        self._rows = products.rows_by_type
        # Attribute codes of each type's products, shape (len(ATTRIBUTES), products of the type).
        self._columns = tuple(np.ascontiguousarray(products.attributes[rows].T) for rows in self._rows)
        self._siblings = tuple(tuple(code_of(TYPE, name) for name in kind.siblings) for kind in PRODUCT_TYPES)
        self._complements = tuple(self._most_popular(products, kind.complements) for kind in PRODUCT_TYPES)

    def relevant(self, intent: Codes) -> Relevant:
        """Return the relevant products of an intent, an array of shape (len(ATTRIBUTES),)."""
        kind = int(intent[TYPE])
        differing = self._differing(kind, intent)
        rows = self._rows[kind]
        stand_ins = [self._rows[other][self._differing(other, intent) == 0] for other in self._siblings[kind]]
        return Relevant(
            exact=rows[differing == 0],
            substitutes=np.concatenate([rows[differing == 1], *stand_ins]),
            complements=self._complements[kind],
        )

    def grades(self, intent: Codes) -> NDArray[np.int8]:
        """Return the grade of every product for an intent, from EXACT to IRRELEVANT; shape (products,)."""
        relevant = self.relevant(intent)
        grades = np.full(self._products, IRRELEVANT, dtype=np.int8)
        grades[relevant.exact] = EXACT
        grades[relevant.substitutes] = SUBSTITUTE
        grades[relevant.complements] = COMPLEMENT
        return grades

    def _differing(self, kind: int, intent: Codes) -> NDArray[np.int8]:
        """Return for each product of a type the number of stated attributes, except the type, that differ."""
        columns = self._columns[kind]
        differing = np.zeros(columns.shape[1], dtype=np.int8)
        for attribute in range(TYPE + 1, len(intent)):
            if intent[attribute] != UNSTATED:
                differing += columns[attribute] != intent[attribute]
        return differing

    def _most_popular(self, products: Products, names: tuple[str, ...]) -> Rows:
        rows = np.concatenate([self._rows[code_of(TYPE, name)] for name in names])
        order = np.argsort(-products.popularity[rows], kind="stable")
        return rows[order[:COMPLEMENTS_PER_TYPE]]
