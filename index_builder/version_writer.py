"""Writes an index version from products and their vectors: index, measure, write."""

import datetime
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from artifacts.bundle import ModelBundle
from artifacts.catalog import Catalog, CatalogStream, open_catalog
from artifacts.index_version import (
    CURVE_FILE,
    FAILURES_FILE,
    INDEX_FILE,
    KEYS_FILE,
    PRODUCTS_FILE,
    QUERY_FOLDER,
    Canary,
    IndexDescription,
    Manifest,
    ModelIdentity,
    finish_index_version,
)
from artifacts.photo_encoder import PHOTO_ENCODER_FOLDER
from index_builder.core.progress import ProgressReporter
from index_builder.core.threads import thread_count
from index_builder.embeddings.collect import VECTORS_FILE, EmbeddedProducts
from index_builder.index.curve_plot import draw_curve
from index_builder.index.indexing import IndexRequest, fill_index, plan_index
from index_builder.index.measure import (
    Measurement,
    QuerySample,
    describe_index,
    encode_queries,
    measure,
    needs_titles,
    sample_queries,
)
from index_builder.index.type_choice import choose_index
from index_builder.versions.ledger import write_failures
from knn import IndexSpec, VectorIndex, set_threads, write_index
from towers.query_encoder import OnnxQueryEncoder, Vectors


@dataclass(frozen=True, eq=False)
class VersionInputs:
    """The inputs of a version, checked before products are encoded.

    Attributes:
        bundle: the model.
        index_request: which index to build.
        specs: candidate index types.
        queries: queries to measure with.
    """

    bundle: ModelBundle
    index_request: IndexRequest
    specs: tuple[IndexSpec, ...]
    queries: QuerySample


def prepare_version(bundle: ModelBundle, products: CatalogStream, index_request: IndexRequest) -> VersionInputs:
    """Check that an index of these products can be made and measured.

    Raises:
        BuildError: there is no query to measure with, or no index fits into the memory.
        KnnError: the index cannot be made.
    """
    specs = plan_index(index_request, products.count, bundle.card.width)
    titles = _in_memory(products, ["title"] if needs_titles(bundle) else [])
    return VersionInputs(bundle, index_request, specs, sample_queries(bundle, titles, index_request.seed))


def new_version_id(bundle: ModelBundle) -> str:
    """Return a version id made of the time and the model."""
    return f"{datetime.datetime.now(datetime.UTC):%Y%m%d-%H%M%S}-{bundle.fingerprint[:8]}"


def write_products(folder: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> CatalogStream:
    """Write the products of a new version, a batch at a time, and open them.

    Everything else is made from this copy, so that changes of the catalogue during the build do no harm.

    Raises:
        FormatError: product ids are not unique.
    """
    with pq.ParquetWriter(folder / PRODUCTS_FILE, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return open_catalog(folder / PRODUCTS_FILE)


def write_version(
    folder: Path,
    version: str,
    inputs: VersionInputs,
    products: CatalogStream,
    embedded: EmbeddedProducts,
    report: ProgressReporter,
    base: str | None = None,
) -> None:
    """Write the index, figures and manifest into the folder of a new version, which has products and vectors."""
    set_threads(thread_count())
    queries = _query_vectors(inputs)
    choice = choose_index(inputs.specs, inputs.index_request, embedded.vectors, queries, report)
    ids = _in_memory(products, ["product_id"])

    def build(spec: IndexSpec) -> tuple[VectorIndex, Measurement]:
        report(f"building {spec.factory}")
        index = fill_index(spec, embedded.vectors, inputs.index_request.seed, choice.centres)
        report(f"measuring with {len(inputs.queries.texts):,} queries")
        return index, measure(index, embedded.vectors, ids, inputs.queries, queries, inputs.index_request)

    index, measurement = build(choice.spec)
    if not measurement.tuning.reached_target and choice.highest_recall != choice.spec:
        report(f"{choice.spec.factory} misses the target over all products")
        del index  # the memory may not have room for two
        choice = replace(choice, spec=choice.highest_recall)
        index, measurement = build(choice.spec)
    description = describe_index(choice, measurement, inputs.index_request)
    report("writing")
    write_index(index, folder / INDEX_FILE)
    draw_curve(description, products.count, folder / CURVE_FILE)
    write_failures(folder / FAILURES_FILE, embedded.failures)
    np.save(folder / KEYS_FILE, embedded.keys, allow_pickle=False)
    for name in (QUERY_FOLDER, PHOTO_ENCODER_FOLDER):
        _copy_subfolder(inputs.bundle, name, folder)
    (folder / VECTORS_FILE).unlink()
    finish_index_version(folder, _manifest(version, base, inputs, embedded, description, measurement.canaries))


def _in_memory(products: CatalogStream, columns: list[str]) -> Catalog:
    """Return the products with only these columns, in memory."""
    schema = pa.schema([products.schema.field(name) for name in columns])
    return Catalog(products.path, pa.Table.from_batches(products.batches(columns) if columns else [], schema))


def _query_vectors(inputs: VersionInputs) -> Vectors:
    bundle = inputs.bundle
    encoder = OnnxQueryEncoder(bundle.query_folder, bundle.query, threads=thread_count())
    return encode_queries(encoder, inputs.queries.texts)


def _copy_subfolder(bundle: ModelBundle, subfolder: str, folder: Path) -> None:
    """Copy the files of a subfolder that the bundle records, and no others: its fingerprint is over these.

    Permissions are not copied: the service may run as another user than training did.
    """
    for name in bundle.card.files:
        if name.startswith(f"{subfolder}/"):
            copy = folder / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(bundle.path / name, copy)


def _manifest(
    version: str,
    base: str | None,
    inputs: VersionInputs,
    embedded: EmbeddedProducts,
    description: IndexDescription,
    canaries: tuple[Canary, ...],
) -> Manifest:
    bundle = inputs.bundle
    return Manifest(
        version=version,
        created_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        model=ModelIdentity.of(bundle),
        width=bundle.card.width,
        count=len(embedded.keys),
        index=description,
        photos=embedded.photos,
        with_history=embedded.with_history,
        base=base,
        canaries=canaries,
        files={},
    )
