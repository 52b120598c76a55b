"""Writes an index version from products and their vectors: index, measure, write."""

import datetime
import secrets
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
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
    finish_index_version,
)
from artifacts.manifest import Manifest, ModelIdentity
from artifacts.photo_encoder import PHOTO_ENCODER_FOLDER
from index_builder.core.progress import ProgressReporter
from index_builder.core.threads import thread_count
from index_builder.embeddings.collect import VECTORS_FILE, EmbeddedProducts
from index_builder.index.base_index import IndexPlan
from index_builder.index.indexing import plan_index
from index_builder.index.measure import QuerySample, encode_queries, needs_titles, sample_queries
from index_builder.index.measured_index import Measurable, MeasuredIndex, build_measured_index
from index_builder.versions.ledger import write_failures
from index_builder.words import WordsRequest, write_product_words
from knn import set_threads, write_index
from towers.query_encoder import OnnxQueryEncoder, Vectors


@dataclass(frozen=True, eq=False)
class VersionInputs:
    """The inputs of a version, checked before products are encoded.

    Attributes:
        bundle: the model.
        plan: which index to build.
        queries: queries to measure with.
    """

    bundle: ModelBundle
    plan: IndexPlan
    queries: QuerySample


def prepare_version(bundle: ModelBundle, products: CatalogStream, plan: IndexPlan) -> VersionInputs:
    """Check that an index of these products can be made and measured.

    Raises:
        BuildError: there is no query to measure with, or no index fits into the memory.
        KnnError: the index cannot be made.
    """
    if plan.base is None:
        plan_index(plan.request, products.count, bundle.card.width)
    titles = _in_memory(products, ["title"] if needs_titles(bundle) else [])
    return VersionInputs(bundle, plan, sample_queries(bundle, titles, plan.request.seed))


def new_version_id(bundle: ModelBundle) -> str:
    """Return a version id made of the time, the model and a random part, for builds that begin in the same second."""
    return f"{datetime.datetime.now(datetime.UTC):%Y%m%d-%H%M%S}-{bundle.fingerprint[:8]}-{secrets.token_hex(2)}"


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
    words: WordsRequest | None = None,
) -> None:
    """Write the index, figures and manifest into the folder of a new version, which has products and vectors.

    Args:
        folder: folder of the version.
        version: its id.
        inputs: what was checked before.
        products: its products.
        embedded: their vectors.
        report: receives a line at each stage.
        base: the version that it was made from; None for a build of a whole catalogue.
        words: how the products' words are written; None for a version without words.
    """
    from index_builder.index.curve_plot import draw_curve  # loads matplotlib, for which most updates need not wait

    set_threads(thread_count())
    ids = _in_memory(products, ["product_id"])
    data = Measurable(embedded.vectors, ids, inputs.queries, _query_vectors(inputs))
    made = build_measured_index(inputs.plan, data, report)
    report("writing")
    index_file = write_index(made.index, folder / INDEX_FILE)
    draw_curve(made.description, products.count, folder / CURVE_FILE)
    write_failures(folder / FAILURES_FILE, embedded.failures)
    np.save(folder / KEYS_FILE, embedded.keys, allow_pickle=False)
    for name in (QUERY_FOLDER, PHOTO_ENCODER_FOLDER):
        _copy_subfolder(inputs.bundle, name, folder)
    if words is not None:
        write_product_words(folder, products, words.language, report)
    (folder / VECTORS_FILE).unlink()
    finish_index_version(folder, _manifest(version, base, inputs, embedded, made), {INDEX_FILE: index_file})


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
    made: MeasuredIndex,
) -> Manifest:
    bundle = inputs.bundle
    return Manifest(
        version=version,
        created_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        model=ModelIdentity.of(bundle),
        width=bundle.card.width,
        count=len(embedded.keys),
        index=made.description,
        photos=embedded.photos,
        with_history=embedded.with_history,
        with_prior=embedded.with_prior,
        base=base,
        canaries=made.canaries,
        files={},
    )
