"""Encoding of whole catalogues and query sets with one side of a model: all its towers, then the fusion."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from artifacts.catalog import Catalog
from artifacts.history import ProductHistory
from artifacts.photo_entries import joined_photos
from artifacts.popularity import ProductPriors
from artifacts.product_text import join_parts, marked_values
from artifacts.tower_specs import TowerName
from towers.encoding import Progress, device_of, encode_product_photos, encode_texts
from towers.errors import PhotoError
from towers.fingerprint import tower_fingerprint
from towers.half_precision import computing_with
from towers.listed_photos import ListedPhotos
from towers.model import Side
from towers.photos import photo_path
from towers.query_encoder import Vectors
from towers.tokens import TextTokenizer
from towers.vector_cache import VectorCache, digest_texts

ROWS_PER_FUSION = 16384
PHOTO_THREADS = 2

Tokenizers = Mapping[TowerName, TextTokenizer]


@dataclass(frozen=True)
class Products:
    """Products as a product side reads them."""

    titles: Sequence[str]
    images: Sequence[str | None]  # path relative to `folder`, URL, or None
    folder: Path
    product_ids: Sequence[str] = ()  # needed if the model adds products' history or popularity
    more_images: Sequence[Sequence[str]] = ()  # photos of each product beside the first; empty where none has any
    columns: pa.Table = field(default_factory=lambda: pa.table({}))  # of the catalogue, with those read as fields

    @property
    def photos(self) -> list[list[str]]:
        """All photos of each product, the first one first."""
        return joined_photos(self.images, self.more_images)

    def texts(self, fields: Sequence[str]) -> Sequence[str]:
        """Return what a text tower with these fields reads of each product (artifacts/product_text.py)."""
        return join_parts([part.to_pylist() for part in self.text_parts(fields)]) if fields else self.titles

    def text_parts(self, fields: Sequence[str]) -> list[pa.Array]:
        """Return the titles, and the marked values of each field, as strings; null where a product has none."""
        nothing = pa.nulls(len(self.titles), pa.string())
        known = self.columns.column_names
        values = [marked_values(self.columns, name) if name in known else nothing for name in fields]
        return [pa.array(self.titles, pa.string()), *values]


def products_of(catalog: Catalog) -> Products:
    """Return a catalogue as a product side reads it."""
    return Products(
        catalog.titles, catalog.images, catalog.folder, catalog.product_ids, catalog.more_images, catalog.table
    )


@dataclass(frozen=True)
class SideEncoder:
    """One side of a model with its tokenizers.

    Attributes:
        side: the side in evaluation mode.
        tokenizers: the tokenizers of its text towers.
        cache: cache of tower vectors; None for no cache.
        history: history of products, which is added to their vectors; None for no history.
        priors: popularity of products, which is added after the history; None for none.
    """

    side: Side
    tokenizers: Tokenizers
    cache: VectorCache | None = None
    history: ProductHistory | None = None
    priors: ProductPriors | None = None

    def queries(self, queries: Sequence[str]) -> Vectors:
        """Encode queries as unit vectors, shape (n, width)."""
        names: list[TowerName] = [tower.name for tower in self.side.spec.towers]
        return self.fuse({name: self.text_vectors(name, queries) for name in names})

    def products(self, products: Products, progress: Progress | None = None) -> Vectors:
        """Encode products as unit vectors, shape (n, width)."""
        vectors = self.fuse(self.product_tower_vectors(products, progress))
        vectors = self.history.add_to(vectors, products.product_ids) if self.history else vectors
        return self.priors.add_to(vectors, products.product_ids) if self.priors else vectors

    def product_tower_vectors(self, products: Products, progress: Progress | None = None) -> dict[TowerName, Vectors]:
        """Encode products as unit vectors of each tower, {name: (n, d)}."""
        vectors: dict[TowerName, Vectors] = {}
        for tower in self.side.spec.towers:
            if tower.name in self.tokenizers:
                vectors[tower.name] = self.product_text_vectors(tower.name, products)
            else:
                vectors[tower.name] = self.photo_vectors(products, progress)
        return vectors

    def product_text_vectors(self, tower: TowerName, products: Products) -> Vectors:
        """Encode what a text tower reads of products, title and fields, as unit vectors, shape (n, d)."""
        return self.text_vectors(tower, products.texts(self.tokenizers[tower].text.fields))

    def text_vectors(self, tower: TowerName, texts: Sequence[str]) -> Vectors:
        """Encode texts with one tower as unit vectors, shape (n, d)."""
        tokenizer = self.tokenizers[tower]
        return self._cached(tower, digest_texts(texts), lambda: encode_texts(self.side, tower, tokenizer, texts))

    def photo_vectors(self, products: Products, progress: Progress | None = None) -> Vectors:
        """Encode products by their photos as unit vectors, shape (n, d)."""
        folder, photos = products.folder, products.photos
        return self._cached(
            "clip",
            _digest_photos(folder, photos),
            lambda: encode_product_photos(self.side, folder, photos, threads=PHOTO_THREADS, progress=progress).vectors,
        )

    @torch.inference_mode()
    def fuse(self, vectors: Mapping[TowerName, Vectors]) -> Vectors:
        """Fuse the towers' vectors to unit vectors of the side: {name: (n, d)} -> (n, width)."""
        count = len(next(iter(vectors.values())))
        fused = np.empty((count, self.side.spec.width), dtype=np.float32)
        for start in range(0, count, ROWS_PER_FUSION):
            rows = slice(start, start + ROWS_PER_FUSION)
            block: dict[str, torch.Tensor] = {
                name: torch.from_numpy(array[rows]).to(device_of(self.side)) for name, array in vectors.items()
            }
            with computing_with(self.side):
                fused[rows] = self.side.fuse(block).cpu().numpy()
        return fused

    def _cached(self, tower: TowerName, content: str, encode: Callable[[], Vectors]) -> Vectors:
        if self.cache is None:
            return encode()
        fingerprint = tower_fingerprint(self.side, tower, self.tokenizers.get(tower))
        return self.cache.get(fingerprint, content, encode)


def _digest_photos(folder: Path, photos: Sequence[Sequence[str]]) -> str:
    """Return a digest of photos and the states of their files, and of which product has which."""
    listed = ListedPhotos.of(photos)
    states = (_state_of_file(folder, image) for image in listed.images)
    counts = [] if len(listed.images) == len(photos) else map(str, listed.starts.tolist())
    return digest_texts((str(folder.resolve()), *listed.images, *states, *counts))


def _state_of_file(folder: Path, image: str | None) -> str | None:
    """Return size and modification time of a photo, which change when it is replaced; None if it is missing."""
    try:
        state = photo_path(folder, image).stat() if image else None
    except (PhotoError, OSError):
        return None
    return f"{state.st_size} {state.st_mtime_ns}" if state else None
