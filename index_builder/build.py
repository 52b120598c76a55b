"""A catalogue and a model bundle to an index version in a store."""

from dataclasses import dataclass, field
from pathlib import Path

from artifacts.bundle import ModelBundle, open_bundle
from artifacts.catalog import CatalogStream, open_catalog
from artifacts.product_text import check_fields
from artifacts.store import Store
from index_builder.core.progress import ProgressReporter
from index_builder.embeddings.embed import EncodingOptions
from index_builder.embeddings.identify import IdentifiedProducts, identify_products
from index_builder.embeddings.pool import Pool
from index_builder.embeddings.tower_vectors_file import needs_tower_vectors
from index_builder.index.base_index import IndexPlan
from index_builder.index.indexing import IndexRequest
from index_builder.new_version import BuiltVersion, NewVersion, ProductSource, make_version
from index_builder.photos.photo_identity import PhotoIdentities
from index_builder.version_writer import new_version_id, prepare_version
from index_builder.words import WordsRequest


@dataclass(frozen=True)
class BuildRequest:
    """What to build and where to put it.

    Attributes:
        bundle: folder of the model bundle.
        catalog: catalog.parquet, or a folder of Parquet files.
        store: folder of the store, which is created where it is missing.
        version: id of the new version; None for an id made of the time and the model.
        index_request: which index to build.
        encoding: how products are encoded.
        explain: keep the vectors of the towers where scores cannot be explained without them.
        history: add the history of products to their vectors, where the model has one.
        words: how the products' words are written; None for a version without words.
    """

    bundle: Path
    catalog: Path
    store: Path
    version: str | None = None
    index_request: IndexRequest = field(default_factory=IndexRequest)
    encoding: EncodingOptions = field(default_factory=EncodingOptions)
    explain: bool = False
    history: bool = True
    words: WordsRequest | None = field(default_factory=WordsRequest)


def build_version(request: BuildRequest, report: ProgressReporter = lambda line: None) -> BuiltVersion:
    """Encode, index, measure and write; the version is there wholly or not at all, and is not published.

    Only products are encoded whose text or photo no build with this model has encoded yet. A version that misses the
    target recall is written too, and its manifest says so. A build that is stopped half-way keeps the vectors that it
    has made, and the next one continues from there.

    Args:
        request: what to build.
        report: receives a line at each stage.

    Raises:
        ArtifactError: bundle or catalogue cannot be used, or the version exists.
        BuildError: there is no query to measure with, another build with this model is running, or `explain` is asked
            of a model that was fitted before scores could be explained.
        KnnError: the index cannot be made, trained or filled.
    """
    bundle, catalog = open_bundle(request.bundle), open_catalog(request.catalog)
    for note in (*catalog.notes, check_fields(catalog.path, catalog.schema, bundle.product.fields)):
        if note:
            report(note)
    inputs = prepare_version(bundle, catalog, IndexPlan(request.index_request))  # before the catalogue is copied
    new = NewVersion(
        bundle,
        Store(request.store),
        request.version or new_version_id(bundle),
        request.encoding,
        with_tower_vectors=request.explain and needs_tower_vectors(bundle),
        with_history=request.history,
        words=request.words,
    )
    source = ProductSource(
        catalog.path,
        catalog.schema,
        catalog.batches,
        catalog.folder,
        identify=lambda products, pool: _identify(products, bundle, pool, catalog.folder),
        prepare=lambda products: inputs,
    )
    return make_version(new, source, report)


def _identify(products: CatalogStream, bundle: ModelBundle, pool: Pool, photos: Path) -> IdentifiedProducts:
    identities = PhotoIdentities(photos, pool.photo_cache_path(photos)) if bundle.product.reads_photos else None
    return identify_products(products, identities, bundle.product.fields)
