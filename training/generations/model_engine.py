"""A fitted model as the search engine of the sample shop."""

from collections.abc import Iterator, Sequence

import torch

from artifacts.bundle import ModelBundle
from artifacts.catalog import Catalog
from artifacts.history import read_history
from artifacts.popularity import read_priors
from knn import exact_search
from towers.query_encoder import OnnxQueryEncoder
from towers.side_encoder import SideEncoder, products_of
from towers.storage import load_side
from towers.tokens import read_tokenizers
from training.sample_shop.search_engine import CANDIDATES, Candidates

_QUERIES_PER_BATCH = 256
_THREADS = 2


class ModelEngine:
    """What the service would answer with a model: its nearest products by exact search, history and popularity in."""

    def __init__(self, bundle: ModelBundle, catalog: Catalog) -> None:
        """Encode all products of a catalogue."""
        folder = bundle.product_folder
        side = load_side(folder).to("cuda" if torch.cuda.is_available() else "cpu")
        encoder = SideEncoder(
            side,
            read_tokenizers(folder, bundle.product),
            history=read_history(folder, bundle.product),
            priors=read_priors(folder, bundle.query),
        )
        self._products = encoder.products(products_of(catalog))
        self._queries = OnnxQueryEncoder(bundle.query_folder, bundle.query, threads=_THREADS)

    def search(self, queries: Sequence[str]) -> Iterator[Candidates]:
        """Yield the candidates of each query."""
        for start in range(0, len(queries), _QUERIES_PER_BATCH):
            vectors = self._queries.encode(queries[start : start + _QUERIES_PER_BATCH])
            found = exact_search(self._products, vectors, min(CANDIDATES, len(self._products)))
            yield from map(Candidates, found.rows, found.scores)
