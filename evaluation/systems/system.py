"""What can be evaluated: something that gives the nearest products of every query, and says what it is.

A fitted model here; context rows in bm25.py and sentence_models.py.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import torch
from tqdm import tqdm

from artifacts.bundle import ModelBundle, ModelOrigin
from artifacts.catalog import Catalog
from artifacts.history import read_history
from evaluation.core.array_cache import WORK_FOLDER
from evaluation.systems.exact_search import Encoder, rows_per_block, search
from evaluation.test_set.test_set import TestSet
from knn import Neighbours
from towers.query_encoder import OnnxQueryEncoder, Vectors
from towers.side_encoder import Products, SideEncoder
from towers.storage import load_side
from towers.tokens import read_tokenizers
from towers.vector_cache import VectorCache

_QUERIES_PER_BATCH = 256
_THREADS = 2


@dataclass(frozen=True)
class Workplace:
    """Where and within which bounds a system answers.

    Attributes:
        out: the results folder, for what survives a kill.
        vectors: folder of the vectors that models share.
        memory_gb: bound on what a search holds; see evaluation/systems/exact_search.py.
    """

    out: Path
    vectors: Path
    memory_gb: float

    def kept(self, fingerprint: str, test_set: TestSet, depth: int) -> Path:
        """Where the running best of a search is kept."""
        return self.out / WORK_FOLDER / f"search-{fingerprint[:20]}-{test_set.dataset_fingerprint[:20]}-{depth}"


class System(Protocol):
    """One row of the tables."""

    @property
    def name(self) -> str:
        """What the row is called."""

    @property
    def kind(self) -> Literal["model", "context"]:
        """Whether it is one of the models, or shown beside them."""

    @property
    def description(self) -> str:
        """What was searched and how, for a context row."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 over all that decides its answers."""

    @property
    def origin(self) -> ModelOrigin | None:
        """How a fitted model came to be."""

    def answer(self, test_set: TestSet, depth: int, place: Workplace) -> Neighbours:
        """The nearest products of every query, (queries, depth).

        Raises:
            DegenerateError: its answers mean nothing.
        """


@dataclass(frozen=True)
class ModelSystem:
    """A fitted model. Queries are encoded by the exported encoder, which is what is served."""

    name: str
    bundle: ModelBundle

    kind: Literal["model"] = "model"
    description: str = ""

    @property
    def fingerprint(self) -> str:
        """Of the bundle."""
        return self.bundle.fingerprint

    @property
    def origin(self) -> ModelOrigin:
        """Of the bundle."""
        return self.bundle.card.origin

    def answer(self, test_set: TestSet, depth: int, place: Workplace) -> Neighbours:
        """Exact search over the whole catalogue, in blocks of products."""
        blocks = _ProductBlocks(self.name, self.bundle, test_set, VectorCache(place.vectors))
        encoder = Encoder(
            width=self.bundle.card.width,
            tower_widths=sum(tower.width for tower in self.bundle.product.towers),
            queries=lambda: _query_vectors(self.bundle, test_set.queries),
            products=blocks.encode,
        )
        return search_with(self, encoder, test_set, depth, place)


def search_with(system: System, encoder: Encoder, test_set: TestSet, depth: int, place: Workplace) -> Neighbours:
    """Exact search with a system's encoder."""
    queries, products = len(test_set.queries), len(test_set.catalog)
    return search(
        encoder,
        queries,
        products,
        depth,
        block_rows=rows_per_block(encoder, queries, depth, place.memory_gb),
        kept=place.kept(system.fingerprint, test_set, depth),
        name=system.name,
    )


@dataclass(frozen=True)
class _ProductBlocks:
    """Product vectors of a model, a block of the catalogue at a time.

    A catalogue that fits in one block shares its entries of the cache with training.
    """

    name: str
    bundle: ModelBundle
    test_set: TestSet
    cache: VectorCache

    @cached_property
    def _encoder(self) -> SideEncoder:
        folder = self.bundle.product_folder
        side = load_side(folder).to("cuda" if torch.cuda.is_available() else "cpu")
        history = read_history(folder, self.bundle.product)
        return SideEncoder(side, read_tokenizers(folder, self.bundle.product), self.cache, history)

    def encode(self, start: int, stop: int) -> Vectors:
        """Unit vectors of the rows from start to stop, (stop - start, D)."""
        catalog = self.test_set.catalog
        block = Catalog(catalog.path, catalog.table.slice(start, stop - start))
        with tqdm(total=len(block), desc=f"photos of {self.name}", unit="photo", delay=1, disable=None) as bar:

            def advance(photos: int) -> None:
                bar.update(photos)

            products = Products(block.titles, block.images, block.folder, block.product_ids)
            return self._encoder.products(products, advance)


def _query_vectors(bundle: ModelBundle, queries: list[str]) -> Vectors:
    encoder = OnnxQueryEncoder(bundle.query_folder, bundle.query, threads=_THREADS)
    starts = range(0, len(queries), _QUERIES_PER_BATCH)
    return np.concatenate([encoder.encode(queries[start : start + _QUERIES_PER_BATCH]) for start in starts])
