"""The steps from products to a new index version that `build` and `update` share.

Products are copied into the folder of the version, the pool is filled with the vectors that it lacks, and the index is
built from the pool. Where products come from, and which vectors they need, is in a `ProductSource`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from artifacts.bundle import ModelBundle
from artifacts.catalog import CatalogStream
from artifacts.errors import FormatError
from artifacts.history import read_history
from artifacts.manifest import Manifest, read_manifest
from artifacts.popularity import read_priors
from artifacts.servable import check_servable
from artifacts.store import Store
from index_builder.core.progress import ProgressReporter
from index_builder.embeddings.collect import collect
from index_builder.embeddings.embed import Embedder, EncodingOptions
from index_builder.embeddings.identify import IdentifiedProducts
from index_builder.embeddings.pool import Pool, open_pool
from index_builder.version_writer import VersionInputs, write_products, write_version
from index_builder.words import WordsRequest
from towers.vector_cache import digest_texts


@dataclass(frozen=True)
class BuiltVersion:
    """A version that was just written.

    Attributes:
        path: folder of the version.
        manifest: manifest of the version.
        encoded: how many products were encoded for it; the vectors of the others were in the store.
    """

    path: Path
    manifest: Manifest
    encoded: int


@dataclass(frozen=True, eq=False)
class NewVersion:
    """What is built, whatever its products come from.

    Attributes:
        bundle: the model.
        store: the store that gets the version.
        version: id of the version.
        encoding: how products are encoded.
        with_tower_vectors: whether the version keeps the vectors of the towers.
        with_history: whether the history of products is added to their vectors.
        words: how the products' words are written; None for a version without words.
        base: id of the version that its products come from; None where they come from a catalogue.
    """

    bundle: ModelBundle
    store: Store
    version: str
    encoding: EncodingOptions
    with_tower_vectors: bool
    with_history: bool
    words: WordsRequest | None
    base: str | None = None


@dataclass(frozen=True, eq=False)
class ProductSource:
    """Where the products of a new version come from.

    Attributes:
        path: file or folder that the products come from; the plan of the build is named after it.
        schema: columns of the products.
        batches: gives the products; called once.
        photos: folder that paths of photos are relative to.
        identify: says which vectors the products need, given their copy in the new version and the pool; called after
            all batches were read, and again where photos were changed meanwhile.
        prepare: checks, given the same copy, that an index of these products can be made and measured.
        reuse: completes the version, given its folder with the products and the pool, where another one has the same
            vectors; returns whether it did.
    """

    path: Path
    schema: pa.Schema
    batches: Callable[[], Iterator[pa.RecordBatch]]
    photos: Path
    identify: Callable[[CatalogStream, Pool], IdentifiedProducts]
    prepare: Callable[[CatalogStream], VersionInputs]
    reuse: Callable[[Path, Pool], bool] = lambda folder, pool: False


def make_version(new: NewVersion, source: ProductSource, report: ProgressReporter) -> BuiltVersion:
    """Encode, index, measure and write a version, which is there wholly or not at all.

    Args:
        new: what to build.
        source: the products.
        report: receives a line at each stage.
    """
    bundle, store = new.bundle, new.store
    with open_pool(
        store.path,
        bundle.product_fingerprint,
        bundle.product.width,
        with_tower_vectors=new.with_tower_vectors,
        wait_minutes=new.encoding.wait_minutes,
        report=report,
    ) as pool:
        with store.new_version(new.version) as folder:
            products = write_products(folder, source.schema, _servable(source))
            is_reused = source.reuse(folder, pool)
            encoded = 0 if is_reused else _encode_and_write(folder, new, source, products, pool, report)
        if not is_reused:
            pool.plan_path(source.path).unlink(missing_ok=True)
    path = store.version_path(new.version)
    return BuiltVersion(path, read_manifest(path), encoded)


def _servable(source: ProductSource) -> Iterator[pa.RecordBatch]:
    """Yield the products; those that no service could load are refused here, before anything is encoded.

    Raises:
        FormatError: the gate would refuse a version with these products.
    """
    for batch in source.batches():
        try:
            check_servable(pa.Table.from_batches([batch]))
        except FormatError as error:
            raise FormatError(f"{source.path}: {error}; correct the column") from error
        yield batch


def _encode_and_write(
    folder: Path, new: NewVersion, source: ProductSource, products: CatalogStream, pool: Pool, report: ProgressReporter
) -> int:
    """Encode what the pool lacks, and write the version; return how many products were encoded."""
    bundle = new.bundle
    inputs = source.prepare(products)
    embedder = Embedder(bundle, pool, new.encoding, source.photos, source.path, _purpose(new, source, products), report)
    identified, encoded = embedder.fill_pool(products, lambda: source.identify(products, pool))
    history = read_history(bundle.product_folder, bundle.product) if new.with_history else None
    priors = read_priors(bundle.product_folder, bundle.query)
    embedded = collect(pool, bundle, products, identified, folder, report, history, priors)
    write_version(folder, new.version, inputs, products, embedded, report, new.base, new.words)
    return encoded


def _purpose(new: NewVersion, source: ProductSource, products: CatalogStream) -> str:
    """Digest of what decides which products are encoded, besides the pool."""
    flags = (new.encoding.retry_failed, new.encoding.refetch_photos, new.with_tower_vectors)
    return digest_texts((products.sha256(), str(source.photos.resolve()), *map(str, flags)))
