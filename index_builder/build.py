"""A catalogue and a model bundle to an index version in a store."""

import datetime
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as pq

from artifacts.bundle import QUERY_SIDE, ModelBundle, open_bundle
from artifacts.catalog import Catalog, read_catalog
from artifacts.index_version import (
    FAILURES_FILE,
    INDEX_FILE,
    PRODUCTS_FILE,
    QUERY_FOLDER,
    Manifest,
    ModelIdentity,
    finish_index_version,
    read_manifest,
)
from artifacts.store import Store
from index_builder.download import DownloadSettings
from index_builder.embed import EmbeddedCatalog, embed_catalog
from index_builder.errors import BuildError
from index_builder.indexing import AUTO, fill_index, index_spec
from index_builder.ledger import write_failures
from index_builder.measure import Measurement, QuerySample, describe_index, measure, sample_queries
from index_builder.progress import Tell
from index_builder.threads import core_count
from index_builder.work_folder import read_progress, work_folder
from knn import IndexSpec, VectorIndex, set_threads, write_index
from towers.query_encoder import OnnxQueryEncoder

TARGET_RECALL = 0.99


@dataclass(frozen=True)
class BuildRequest:
    """What to build and where to put it.

    Attributes:
        bundle: folder of the model bundle.
        catalog: catalog.parquet, or a folder of Parquet files.
        store: folder of the store; it is made if need be.
        version: id of the new version; None for one of the time and the model.
        index: a FAISS factory string, or AUTO for the type that suits the number of products.
        target_recall: tie-tolerant recall@100 against exact search that the operating point should reach.
        seed: of everything drawn: the training sample, the clustering, the queries measured with.
        downloads: how photos by URL are had.

    Raises:
        BuildError: the target is out of range.
    """

    bundle: Path
    catalog: Path
    store: Path
    version: str | None = None
    index: str = AUTO
    target_recall: float = TARGET_RECALL
    seed: int = 0
    downloads: DownloadSettings = field(default_factory=DownloadSettings)

    def __post_init__(self) -> None:
        if not 0 < self.target_recall <= 1:
            raise BuildError(f"target recall: expected a number above 0 and at most 1, got {self.target_recall:g}")


@dataclass(frozen=True)
class BuiltVersion:
    """A version that was just written.

    Attributes:
        path: its folder.
        manifest: its manifest.
    """

    path: Path
    manifest: Manifest


@dataclass(frozen=True, eq=False)
class _Inputs:
    """What was read and checked before the work begins."""

    bundle: ModelBundle
    catalog: Catalog
    spec: IndexSpec
    queries: QuerySample


def build_version(request: BuildRequest, tell: Tell = lambda line: None) -> BuiltVersion:
    """Encode, index, measure and write; the version is there wholly or not at all, and is not published.

    A version that misses the target recall is written too: its manifest says so. A build that is stopped
    half-way keeps the vectors it has made, and the next one goes on from there.

    Args:
        request: what to build.
        tell: told of each stage.

    Raises:
        ArtifactError: bundle or catalogue cannot be used, or the version exists.
        BuildError: there is nothing to measure with, or another such build is running.
        KnnError: the index cannot be made, trained or filled.
    """
    inputs = _read_inputs(request)
    store, version = Store(request.store), request.version or _new_version_id(inputs.bundle)
    kept = work_folder(request.store, inputs.bundle, inputs.catalog)
    with kept as work, store.new_version(version) as folder:
        _tell_progress(work, inputs.catalog, tell)
        embedded = embed_catalog(inputs.bundle, inputs.catalog, work, request.downloads, tell)
        _write_version(folder, version, request, inputs, embedded, tell)
    path = store.version_path(version)
    return BuiltVersion(path, read_manifest(path))


def _read_inputs(request: BuildRequest) -> _Inputs:
    bundle, catalog = open_bundle(request.bundle), read_catalog(request.catalog)
    spec = index_spec(request.index, len(catalog), bundle.card.width)
    return _Inputs(bundle, catalog, spec, sample_queries(bundle, catalog, request.seed))


def _new_version_id(bundle: ModelBundle) -> str:
    return f"{datetime.datetime.now(datetime.UTC):%Y%m%d-%H%M%S}-{bundle.fingerprint[:8]}"


def _tell_progress(work: Path, catalog: Catalog, tell: Tell) -> None:
    rows = read_progress(work).rows
    if rows:
        tell(f"going on after {rows:,} of {len(catalog):,} products (to begin anew, remove {work})")
    else:
        tell(f"encoding {len(catalog):,} products")


def _write_version(
    folder: Path, version: str, request: BuildRequest, inputs: _Inputs, embedded: EmbeddedCatalog, tell: Tell
) -> None:
    """Fill the folder of a new version."""
    set_threads(core_count())
    tell(f"building {inputs.spec.factory}")
    index = fill_index(inputs.spec, embedded.vectors, request.seed)
    tell(f"measuring with {len(inputs.queries.texts):,} queries")
    measurement = _measure(index, embedded, inputs, request.target_recall)
    tell("writing")
    write_index(index, folder / INDEX_FILE)
    pq.write_table(inputs.catalog.table, folder / PRODUCTS_FILE)
    write_failures(folder / FAILURES_FILE, embedded.failures)
    _copy_query_side(inputs.bundle, folder / QUERY_FOLDER)
    finish_index_version(folder, _manifest(version, inputs, embedded, measurement))


def _measure(index: VectorIndex, embedded: EmbeddedCatalog, inputs: _Inputs, target_recall: float) -> Measurement:
    bundle = inputs.bundle
    encoder = OnnxQueryEncoder(bundle.query_folder, bundle.query, threads=core_count())
    return measure(index, embedded.vectors, inputs.catalog, inputs.queries, encoder, target_recall)


def _copy_query_side(bundle: ModelBundle, folder: Path) -> None:
    """Copy the files that the bundle records, and no others: the fingerprint is over these.

    Permissions are not copied: the service may run as another user than training did.
    """
    for name in bundle.card.files:
        if name.startswith(f"{QUERY_SIDE}/"):
            copy = folder / name.removeprefix(f"{QUERY_SIDE}/")
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(bundle.path / name, copy)


def _manifest(version: str, inputs: _Inputs, embedded: EmbeddedCatalog, measurement: Measurement) -> Manifest:
    bundle = inputs.bundle
    return Manifest(
        version=version,
        created_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        model=ModelIdentity.of(bundle),
        width=bundle.card.width,
        count=len(inputs.catalog),
        index=describe_index(inputs.spec.factory, measurement),
        photos=embedded.photos,
        canaries=measurement.canaries,
        files={},
    )
