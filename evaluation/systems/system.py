"""The interface of a system to evaluate, and fitted models as one.

Context rows, systems that are shown beside the models for comparison, are in bm25.py and sentence_models.py.
"""

import warnings
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
from artifacts.popularity import read_priors
from artifacts.product_text import check_fields
from evaluation.core.array_cache import WORK_FOLDER
from evaluation.systems.exact_search import Encoder, rows_per_block, search
from evaluation.test_set.test_set import TestSet
from knn import Neighbours
from towers.listed_photos import ListedPhotos
from towers.query_encoder import OnnxQueryEncoder, Vectors
from towers.side_encoder import SideEncoder, products_of
from towers.storage import load_side
from towers.tokens import read_tokenizers
from towers.vector_cache import VectorCache

_QUERIES_PER_BATCH = 256
_THREADS = 2


@dataclass(frozen=True)
class Workspace:
    """Folders and the memory bound of an evaluation.

    Attributes:
        out: the results folder; interrupted searches are saved in its work folder.
        vectors: folder of cached vectors, which models with equal towers share.
        memory_gb: memory bound of a search in GB; see evaluation/systems/exact_search.py.
    """

    out: Path
    vectors: Path
    memory_gb: float

    def search_file(self, fingerprint: str, test_set: TestSet, depth: int) -> Path:
        """Return the path of the file that saves the state of a search."""
        return self.out / WORK_FOLDER / f"search-{fingerprint[:20]}-{test_set.dataset_fingerprint[:20]}-{depth}"


class System(Protocol):
    """A system to evaluate, one row of the tables."""

    @property
    def name(self) -> str:
        """Name of the row."""

    @property
    def kind(self) -> Literal["model", "context"]:
        """Whether the system is a fitted model, or a context row."""

    @property
    def description(self) -> str:
        """For a context row, what is searched and how; empty for a model."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 over everything that determines the answers."""

    @property
    def origin(self) -> ModelOrigin | None:
        """Origin of a fitted model; None for a context row."""

    def answer(self, test_set: TestSet, depth: int, workspace: Workspace) -> Neighbours:
        """Return the nearest products of every query, (queries, depth).

        Raises:
            DegenerateError: the answers do not depend on the query.
        """


@dataclass(frozen=True)
class ModelSystem:
    """A fitted model; queries are encoded by the exported encoder that the service uses."""

    name: str
    bundle: ModelBundle

    kind: Literal["model"] = "model"
    description: str = ""

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the bundle."""
        return self.bundle.fingerprint

    @property
    def origin(self) -> ModelOrigin:
        """Origin of the bundle."""
        return self.bundle.card.origin

    def answer(self, test_set: TestSet, depth: int, workspace: Workspace) -> Neighbours:
        """Return the nearest products of every query by exact search over the whole catalogue."""
        catalog = test_set.catalog
        if missing := check_fields(catalog.path, catalog.table.schema, self.bundle.product.fields):
            warnings.warn(f"{self.name}: {missing}", stacklevel=2)
        blocks = _ProductBlocks(self.name, self.bundle, test_set, VectorCache(workspace.vectors))
        encoder = Encoder(
            width=self.bundle.card.width,
            tower_widths=sum(tower.width for tower in self.bundle.product.towers),
            queries=lambda: _query_vectors(self.bundle, test_set.queries),
            products=blocks.encode,
        )
        return search_with(self, encoder, test_set, depth, workspace)


def search_with(system: System, encoder: Encoder, test_set: TestSet, depth: int, workspace: Workspace) -> Neighbours:
    """Run exact search with a system's encoder."""
    queries, products = len(test_set.queries), len(test_set.catalog)
    return search(
        encoder,
        queries,
        products,
        depth,
        block_rows=rows_per_block(encoder, queries, depth, workspace.memory_gb),
        state_file=workspace.search_file(system.fingerprint, test_set, depth),
        name=system.name,
    )


@dataclass(frozen=True)
class _ProductBlocks:
    """Encodes the products of a model block by block.

    If the catalogue fits in one block, the cached vectors are the same files that training uses.
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
        priors = read_priors(folder, self.bundle.query)
        return SideEncoder(side, read_tokenizers(folder, self.bundle.product), self.cache, history, priors)

    def encode(self, start: int, stop: int) -> Vectors:
        """Return the unit vectors of the catalogue rows from start to stop, (stop - start, D)."""
        catalog = self.test_set.catalog
        block = Catalog(catalog.path, catalog.table.slice(start, stop - start))
        products = products_of(block)
        count = len(ListedPhotos.of(products.photos).images)
        with tqdm(total=count, desc=f"photos of {self.name}", unit="photo", delay=1, disable=None) as bar:

            def advance(photos: int) -> None:
                bar.update(photos)

            return self._encoder.products(products, advance)


def _query_vectors(bundle: ModelBundle, queries: list[str]) -> Vectors:
    encoder = OnnxQueryEncoder(bundle.query_folder, bundle.query, threads=_THREADS)
    starts = range(0, len(queries), _QUERIES_PER_BATCH)
    return np.concatenate([encoder.encode(queries[start : start + _QUERIES_PER_BATCH]) for start in starts])
