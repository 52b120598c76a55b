"""A catalogue and a model bundle to an index version in a store."""

from dataclasses import dataclass, field
from pathlib import Path

from artifacts.bundle import ModelBundle, open_bundle
from artifacts.catalog import CatalogStream, open_catalog
from artifacts.history import read_history
from artifacts.index_version import Manifest, read_manifest
from artifacts.store import Store
from index_builder.core.progress import ProgressReporter
from index_builder.embeddings.collect import collect
from index_builder.embeddings.embed import Embedder, EncodingOptions
from index_builder.embeddings.identify import IdentifiedProducts, identify_products
from index_builder.embeddings.pool import Pool, open_pool
from index_builder.embeddings.tower_vectors_file import needs_tower_vectors
from index_builder.index.indexing import IndexRequest
from index_builder.photos.photo_identity import PhotoIdentities
from index_builder.version_writer import new_version_id, prepare_version, write_products, write_version
from towers.vector_cache import digest_texts


@dataclass(frozen=True)
class BuildRequest:
    """What to build and where to put it.

    Attributes:
        bundle: folder of the model bundle.
        catalog: catalog.parquet, or a folder of Parquet files.
        store: folder of the store; it is made if need be.
        version: id of the new version; None for one of the time and the model.
        index_request: what kind of index is wanted.
        encoding: how products are encoded.
        explain: keep the vectors of the towers where scores cannot be explained without.
        history: add the products' history, where the model has one.
    """

    bundle: Path
    catalog: Path
    store: Path
    version: str | None = None
    index_request: IndexRequest = field(default_factory=IndexRequest)
    encoding: EncodingOptions = field(default_factory=EncodingOptions)
    explain: bool = False
    history: bool = True


@dataclass(frozen=True)
class BuiltVersion:
    """A version that was just written.

    Attributes:
        path: its folder.
        manifest: its manifest.
        encoded: how many products were encoded for it; the others' vectors were in the store.
    """

    path: Path
    manifest: Manifest
    encoded: int


def build_version(request: BuildRequest, report: ProgressReporter = lambda line: None) -> BuiltVersion:
    """Encode, index, measure and write; the version is there wholly or not at all, and is not published.

    Only products are encoded whose title or photo no build with this model has encoded yet. A version that misses the
    target recall is written too: its manifest says so. A build that is stopped half-way keeps the vectors it has made,
    and the next one goes on from there.

    Args:
        request: what to build.
        report: told of each stage.

    Raises:
        ArtifactError: bundle or catalogue cannot be used, or the version exists.
        BuildError: there is nothing to measure with, another build with this model is running, or its scores are to be
            explained and cannot be.
        KnnError: the index cannot be made, trained or filled.
    """
    bundle, catalog = open_bundle(request.bundle), open_catalog(request.catalog)
    inputs = prepare_version(bundle, catalog, request.index_request)
    store, version = Store(request.store), request.version or new_version_id(bundle)
    with_tower_vectors = request.explain and needs_tower_vectors(bundle)
    with open_pool(
        request.store, bundle.product_fingerprint, bundle.card.width, with_tower_vectors=with_tower_vectors
    ) as pool:
        with store.new_version(version) as folder:
            products = write_products(folder, catalog.schema, catalog.batches())
            embedder = _embedder(request, bundle, pool, catalog, products, report)
            identified, encoded = embedder.fill_pool(
                products, lambda: _identify(products, bundle, pool, catalog.folder)
            )
            history = read_history(bundle.product_folder, bundle.product) if request.history else None
            embedded = collect(pool, bundle, products, identified, folder, report, history)
            write_version(folder, version, inputs, products, embedded, report)
        embedder.forget_plan()
    path = store.version_path(version)
    return BuiltVersion(path, read_manifest(path), encoded)


def _embedder(
    request: BuildRequest,
    bundle: ModelBundle,
    pool: Pool,
    catalog: CatalogStream,
    products: CatalogStream,
    report: ProgressReporter,
) -> Embedder:
    options = request.encoding
    flags = (options.retry_failed, options.refetch_photos, pool.with_tower_vectors)
    purpose = digest_texts((products.sha256(), str(catalog.folder.resolve()), *map(str, flags)))
    return Embedder(bundle, pool, options, catalog.folder, catalog.path, purpose, report)


def _identify(products: CatalogStream, bundle: ModelBundle, pool: Pool, photos: Path) -> IdentifiedProducts:
    identities = PhotoIdentities(photos, pool.photo_cache_path(photos)) if bundle.product.reads_photos else None
    return identify_products(products, identities)
