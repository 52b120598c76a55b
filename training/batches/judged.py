"""Judged queries of training, with graded products: what a fit learns of relevance beyond purchases."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from artifacts.judgments import Judgments, Relevance

Integers = npt.NDArray[np.int64]
Grades = npt.NDArray[np.float32]

# One of so many judged queries is held back from the fits that choose by labels.
HELD_BACK = 5
# How much of a query's probability a product of each label is to get, before the sum is brought to 1.
GRADES = {Relevance.EXACT: 1.0, Relevance.SUBSTITUTE: 0.1, Relevance.COMPLEMENT: 0.0, Relevance.IRRELEVANT: 0.0}


@dataclass(frozen=True)
class JudgedBatch:
    """Judged products of j queries, at most m each.

    Attributes:
        queries: (j,) query numbers.
        products: (n,) catalogue rows, distinct.
        places: (j, m) places in `products`.
        grades: (j, m) float32, at least 0; below 0 where there is no product.
    """

    queries: Tensor
    products: Tensor
    places: Tensor
    grades: Tensor


class Judged(NamedTuple):
    """The judged products of a query: catalogue rows and grades."""

    products: Integers
    grades: Grades


def judged_queries(judgments: Judgments, rows: Mapping[str, int], held_out: Sequence[str]) -> dict[str, Judged]:
    """Return the judged queries that have an Exact product and another one to tell from it, sorted.

    Args:
        judgments: labels of training queries; never those that a model is evaluated on.
        rows: the catalogue row of every product id; other products are left out.
        held_out: queries that are not trained on.
    """
    left_out = set(held_out)
    found: dict[str, list[tuple[int, float]]] = {}
    columns = (judgments.table[name].to_pylist() for name in ("query", "product_id", "label"))
    for query, product_id, label in zip(*columns, strict=True):
        if product_id in rows and query not in left_out:
            found.setdefault(query, []).append((rows[product_id], GRADES[Relevance(label)]))
    useful = (query for query, graded in found.items() if {1.0} < {grade for _, grade in graded})
    return {query: _as_arrays(found[query]) for query in sorted(useful)}


def split_judged(judged: Mapping[str, Judged]) -> tuple[dict[str, Judged], dict[str, Judged]]:
    """Return the judged queries to fit to, and one of HELD_BACK that is held back to choose by."""
    fitted: dict[str, Judged] = {}
    held_back: dict[str, Judged] = {}
    for place, (query, one) in enumerate(judged.items()):
        (held_back if place % HELD_BACK == 0 else fitted)[query] = one
    return fitted, held_back


def _as_arrays(graded: list[tuple[int, float]]) -> Judged:
    rows, grades = zip(*graded, strict=True)
    return Judged(np.array(rows, dtype=np.int64), np.array(grades, dtype=np.float32))


@dataclass(frozen=True)
class JudgedSource:
    """Draws the judged products of batches.

    Attributes:
        numbers: the number of each query.
        judged: the judged products of each query.
        queries: number of queries of a batch; all of them where there are fewer.
        products: most products of a query.
    """

    numbers: Integers
    judged: Sequence[Judged]
    queries: int
    products: int

    def batch(self, seed: tuple[int, ...]) -> JudgedBatch:
        """Draw a batch; the same seed gives the same batch."""
        rng = np.random.default_rng(seed)
        chosen = rng.choice(len(self.judged), min(self.queries, len(self.judged)), replace=False)
        rows = np.zeros((len(chosen), self.products), dtype=np.int64)
        grades = np.full((len(chosen), self.products), -1.0, dtype=np.float32)
        for place, one in enumerate(self.judged[query] for query in chosen):
            some = rng.permutation(len(one.products))[: self.products]
            rows[place, : len(some)] = one.products[some]
            grades[place, : len(some)] = one.grades[some]
        distinct, places = np.unique(rows, return_inverse=True)
        arrays = (self.numbers[chosen], distinct, places.reshape(rows.shape), grades)
        return JudgedBatch(*map(torch.from_numpy, arrays))
