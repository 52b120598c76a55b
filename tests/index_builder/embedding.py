"""Catalogues to vectors as builds do it, without the index that they make of them."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from artifacts.bundle import open_bundle
from artifacts.catalog import open_catalog
from artifacts.photo_entries import photos_of
from index_builder.embeddings.collect import EmbeddedProducts, collect
from index_builder.embeddings.embed import Embedder, EncodingOptions
from index_builder.embeddings.identify import identify_products
from index_builder.embeddings.pool import open_pool
from index_builder.photos.photo_identity import PhotoIdentities


@dataclass(frozen=True)
class Embedding:
    """The vectors, how many products were encoded, and the lines of progress."""

    products: EmbeddedProducts
    encoded: int
    reported: list[str]


def embed_shop(
    bundle: Path,
    catalog: Path,
    store: Path,
    options: EncodingOptions | None = None,
    *,
    purpose: str = "a test",
    keep_plan: bool = False,
    with_tower_vectors: bool = False,
    report: Callable[[str], None] | None = None,
) -> Embedding:
    """Vectors of a catalogue, in the store's pool and in a file beside it."""
    model, products, reported = open_bundle(bundle), open_catalog(catalog), list[str]()
    with open_pool(store, model.product_fingerprint, model.card.width, with_tower_vectors=with_tower_vectors) as pool:
        embedder = Embedder(
            model,
            pool,
            options or EncodingOptions(),
            products.folder,
            products.path,
            purpose,
            report or reported.append,
        )

        def identify():
            memory = pool.photo_cache_path(products.folder)
            identities = PhotoIdentities(products.folder, memory) if model.product.reads_photos else None
            return identify_products(products, identities, model.product.fields)

        identified, encoded = embedder.fill_pool(products, identify)
        embedded = collect(pool, model, products, identified, store, reported.append)
        if not keep_plan:
            pool.plan_path(products.path).unlink(missing_ok=True)
    return Embedding(embedded, encoded, reported)


def as_planned(products: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Titles and image entries of products as a plan has them, of a model that reads no further fields."""
    for batch in products:
        photos = pa.array(photos_of(batch), pa.list_(pa.string()))
        yield pa.RecordBatch.from_arrays([batch.column("title"), photos], names=["text", "images"])
