"""Training pairs as integers, and the batches that are drawn from them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from torch import Tensor

from training.batches.judged import JudgedBatch, JudgedSource

# Pairs of products of one category that stand together in a batch, so that each has near products as its negatives.
CATEGORY_RUN = 8

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Grouped:
    """Product rows by query: the rows of query q are `products[offsets[q] : offsets[q + 1]]`."""

    offsets: Integers
    products: Integers

    def of(self, queries: Integers) -> tuple[Integers, Integers]:
        """Return the products of some queries, flattened: the position of each one's query, and its row."""
        counts = self.offsets[queries + 1] - self.offsets[queries]
        positions = np.repeat(np.arange(len(queries)), counts)
        starts = np.repeat(self.offsets[queries] - np.concatenate(([0], np.cumsum(counts)[:-1])), counts)
        return positions, self.products[starts + np.arange(len(positions))]


@dataclass(frozen=True)
class TrainingPairs:
    """Query-product pairs as numbers, with the known positives and seen negatives of their queries."""

    queries: list[str]  # distinct, numbered by position
    query_of_pair: Integers  # (pairs,)
    product_of_pair: Integers  # (pairs,) catalogue rows
    known: Grouped  # products that are positives of a query
    seen_negatives: Grouped  # products shown for a query but never bought for it
    categories: Integers | None = None  # (pairs,) number of each product's category; None if batches mix all

    def __len__(self) -> int:
        return len(self.query_of_pair)


@dataclass(frozen=True)
class Batch:
    """b pairs over n distinct products.

    Attributes:
        queries: (b,) query numbers.
        products: (n,) catalogue rows, distinct.
        positives: (b,) positions in `products`.
        known: (b, n) bool, the known positives of each query among the products.
        counts: (n,) float32, the number of pairs of the batch that have the product; 1 for seen negatives.
        seen: (n,) bool, the products that are in none of the pairs: seen negatives of the batch's queries.
        popularity: (n,) float32, the number of all training pairs that have the product, at least 1.
        judged: judged products of other queries; None if the recipe learns nothing from labels.
    """

    queries: Tensor
    products: Tensor
    positives: Tensor
    known: Tensor
    counts: Tensor
    seen: Tensor
    popularity: Tensor
    judged: JudgedBatch | None = None


def training_pairs(pairs: pa.Table, seen_negatives: pa.Table | None, rows: dict[str, int]) -> TrainingPairs:
    """Number the queries and products of a table of pairs.

    Args:
        pairs: query, product_id.
        seen_negatives: query, product_id; queries that have no pair are left out.
        rows: the catalogue row of every product id.
    """
    encoded = pairs["query"].combine_chunks().dictionary_encode()
    queries: list[str] = encoded.dictionary.to_pylist()
    query_of_pair = encoded.indices.to_numpy().astype(np.int64)
    product_of_pair = _rows(pairs, rows)
    numbers = {query: number for number, query in enumerate(queries)}
    negatives = seen_negatives.to_pydict() if seen_negatives is not None else {"query": [], "product_id": []}
    kept = [
        (numbers[query], rows[product])
        for query, product in zip(negatives["query"], negatives["product_id"], strict=True)
        if query in numbers
    ]
    negative_array = np.array(kept, dtype=np.int64).reshape(-1, 2)
    return TrainingPairs(
        queries=queries,
        query_of_pair=query_of_pair,
        product_of_pair=product_of_pair,
        known=_grouped(query_of_pair, product_of_pair, len(queries)),
        seen_negatives=_grouped(negative_array[:, 0], negative_array[:, 1], len(queries)),
    )


class BatchPlan:
    """The batches of a whole run; each depends only on the seed and its step.

    A run that is resumed at a step therefore has the batches of an uninterrupted run.

    Args:
        pairs: the pairs to draw from; each epoch has an order of its own.
        batch_size: number of pairs in a batch; pairs at the end of an epoch that do not fill a batch are left out.
        steps: number of batches of the run.
        use_seen_negatives: whether the seen negatives of a batch's queries are added to its products.
        seed: decides the order of each epoch.
        judged: where each batch has its judged products from; None for none.

    Raises:
        ValueError: there are fewer pairs than fill one batch.
    """

    def __init__(
        self,
        pairs: TrainingPairs,
        batch_size: int,
        steps: int,
        use_seen_negatives: bool,
        seed: int,
        judged: JudgedSource | None = None,
    ) -> None:
        if len(pairs) < batch_size:
            raise ValueError(f"{len(pairs)} pairs do not fill one batch of {batch_size}; lower batch_size")
        self._pairs = pairs
        self._batch_size = batch_size
        self._use_seen_negatives = use_seen_negatives
        self._seed = seed
        self._judged = judged
        self._per_epoch = len(pairs) // batch_size
        self._order: tuple[int, Integers] = (-1, np.empty(0, np.int64))
        rows = 1 + int(max(pairs.product_of_pair.max(), _most(pairs.seen_negatives)))
        self._position = np.full(rows, -1)
        self._popularity = np.bincount(pairs.product_of_pair, minlength=rows).clip(1).astype(np.float32)
        self.steps = steps

    def batch(self, step: int) -> Batch:
        """Return the batch of a step, 0 <= step < steps."""
        epoch, position = divmod(step, self._per_epoch)
        if self._order[0] != epoch:
            self._order = (epoch, self._epoch_order(np.random.default_rng((self._seed, epoch))))
        chosen = self._order[1][position * self._batch_size : (position + 1) * self._batch_size]
        return self._make(chosen, self._judged.batch((self._seed, step)) if self._judged else None)

    def _epoch_order(self, rng: np.random.Generator) -> Integers:
        """Return the order of an epoch's pairs: random or, with categories, in random runs of pairs of one category."""
        order = rng.permutation(len(self._pairs))
        if self._pairs.categories is None:
            return order
        by_category = order[np.argsort(self._pairs.categories[order], kind="stable")]
        runs = [by_category[start : start + CATEGORY_RUN] for start in range(0, len(by_category), CATEGORY_RUN)]
        return np.concatenate([runs[place] for place in rng.permutation(len(runs))])

    def _make(self, chosen: Integers, judged: JudgedBatch | None) -> Batch:
        pairs = self._pairs
        queries, products = pairs.query_of_pair[chosen], pairs.product_of_pair[chosen]
        if self._use_seen_negatives:
            _, negatives = pairs.seen_negatives.of(queries)
            distinct = np.unique(np.concatenate((products, negatives)))
        else:
            distinct = np.unique(products)
        self._position[distinct] = np.arange(len(distinct))
        known = np.zeros((len(queries), len(distinct)), dtype=bool)
        row, product = pairs.known.of(queries)
        column = self._position[product]
        known[row[column >= 0], column[column >= 0]] = True
        positives = self._position[products]
        self._position[distinct] = -1
        counts = np.bincount(positives, minlength=len(distinct))
        seen = counts == 0
        return Batch(
            queries=torch.from_numpy(queries),
            products=torch.from_numpy(distinct),
            positives=torch.from_numpy(positives),
            known=torch.from_numpy(known),
            counts=torch.from_numpy(np.where(seen, 1, counts).astype(np.float32)),
            seen=torch.from_numpy(seen),
            popularity=torch.from_numpy(self._popularity[distinct]),
            judged=judged,
        )


def _most(grouped: Grouped) -> int:
    return int(grouped.products.max()) if len(grouped.products) else 0


def _rows(pairs: pa.Table, rows: dict[str, int]) -> Integers:
    return np.fromiter((rows[product] for product in pairs["product_id"].to_pylist()), np.int64, len(pairs))


def _grouped(queries: Integers, products: Integers, count: int) -> Grouped:
    order = np.argsort(queries, kind="stable")
    offsets = np.concatenate(([0], np.cumsum(np.bincount(queries, minlength=count)))).astype(np.int64)
    return Grouped(offsets=offsets, products=products[order])
