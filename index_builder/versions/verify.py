"""Verifies that a version is what its builder wrote, and that it still finds what its builder found."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from artifacts.canaries import Search, check_canaries
from artifacts.errors import ArtifactError, FormatError, MismatchError
from artifacts.index_version import FAILURES_FILE, KEYS_FILE, IndexVersion, open_index_version
from artifacts.manifest import Manifest
from artifacts.servable import check_servable
from artifacts.store import Store
from index_builder.core.errors import LedgerError, VerificationError
from index_builder.core.threads import thread_count
from index_builder.index.measure import encode_queries
from index_builder.versions.ledger import read_fitting_failures
from knn import KnnError, OperatingPoint, VectorIndex, read_index
from lexical import LexicalError, WordIndex
from towers.photo_encoder import OnnxPhotoEncoder
from towers.photo_subspace import PhotoSubspace
from towers.query_encoder import OnnxQueryEncoder


@dataclass(frozen=True, eq=False)
class VerifiedVersion:
    """A version that passed every check, with its index in memory.

    Attributes:
        manifest: manifest of the version.
        canary_overlap: mean share of expected products that its canary queries find, from 0 to 1.
        search: function of queries and k that returns product ids, best first.
        products: all products; row i has vector i of the index.
        index: the index.
        words: the words of the products, opened; None if the version has none.
    """

    manifest: Manifest
    canary_overlap: float
    search: Search
    products: pa.Table
    index: VectorIndex
    words: WordIndex | None = None


def verify_version(store: Store, version: str) -> VerifiedVersion:
    """Load a version as the service does: check its files, that they fit together, and its answers to canary queries.

    Raises:
        StoreError: the store has no such version, or the id is malformed.
        VerificationError: a check failed; the message says which, and what to do.
    """
    path = store.version_path(version)
    try:
        opened = open_index_version(path, leave_index=True)  # it is large, and its checksum is compared when it is read
        if opened.manifest.version != version:
            raise VerificationError(
                f"{path}: its manifest is that of version {opened.manifest.version!r}; build it again"
            )
        return _verify(opened)
    except (ArtifactError, KnnError, LedgerError, LexicalError, OSError) as error:
        raise VerificationError(str(error)) from error


def _verify(opened: IndexVersion) -> VerifiedVersion:
    record, products = opened.index_record, _usable_products(opened)
    index = read_index(opened.index_path, record.sha256, record.size_bytes)
    _check_agreement(opened, index)
    _check_records(opened)
    encoder = OnnxQueryEncoder(opened.query_folder, opened.query, threads=thread_count())
    if opened.open_tower_vectors() is not None and not encoder.gives_tower_vectors:
        raise VerificationError(
            f"{opened.path} keeps tower vectors of products, but its encoder gives none of queries; build it again"
        )
    _check_photo_encoder(opened)
    search = _search_of(opened.manifest, index, encoder, products["product_id"])
    return VerifiedVersion(
        opened.manifest, _check_canaries(opened, search), search, products, index, _open_words(opened)
    )


def _usable_products(opened: IndexVersion) -> pa.Table:
    """Return the products after everything was made of them that the service makes: filters and answers."""
    products = opened.products()
    try:
        products.validate(full=True)
    except pa.ArrowInvalid as error:
        raise VerificationError(f"{opened.path}: its products are damaged: {error}; build it again") from error
    try:
        check_servable(products)
    except FormatError as error:
        raise VerificationError(
            f"{opened.path}: no service can load its products: {error}; correct the column in the catalogue and build "
            "again"
        ) from error
    return products


def _check_agreement(opened: IndexVersion, index: VectorIndex) -> None:
    manifest = opened.manifest
    if index.width != manifest.width:
        raise VerificationError(
            f"{opened.path}: the index has width {index.width}, its manifest says {manifest.width}; build it again"
        )
    if index.count != manifest.count:
        raise VerificationError(
            f"{opened.path}: the index has {index.count} vectors, its manifest says {manifest.count}; build it again"
        )


def _check_records(opened: IndexVersion) -> None:
    """Check the ledger and the keys; versions of older releases have none."""
    manifest = opened.manifest
    if FAILURES_FILE in manifest.files:
        read_fitting_failures(opened.path, manifest)
    if KEYS_FILE in manifest.files:
        shape = np.load(opened.path / KEYS_FILE, mmap_mode="r", allow_pickle=False).shape
        if shape != (manifest.count, 2):
            raise VerificationError(
                f"{opened.path / KEYS_FILE} has the shape {shape} for {manifest.count} products; build it again"
            )


def _open_words(opened: IndexVersion) -> WordIndex | None:
    folder = opened.words_folder
    return None if folder is None else WordIndex.open(folder, opened.manifest.count)


def _check_photo_encoder(opened: IndexVersion) -> None:
    """Check the encoder of searches by photo, if the version has one and its model lets a photo be a query."""
    part = PhotoSubspace.of(opened.query)
    if part is not None and opened.photo is not None:
        OnnxPhotoEncoder(opened.photo_folder, opened.photo, threads=thread_count()).check(part.width)


def _search_of(
    manifest: Manifest, index: VectorIndex, encoder: OnnxQueryEncoder, product_ids: pa.ChunkedArray
) -> Search:
    point = OperatingPoint(manifest.index.nprobe, manifest.index.k_factor, manifest.index.ef_search)

    def search(queries: list[str], k: int) -> list[list[str]]:
        found = index.search(encode_queries(encoder, queries), min(k, index.count), point)
        return [product_ids.take(rows[rows >= 0]).to_pylist() for rows in found.rows]

    return search


def _check_canaries(opened: IndexVersion, search: Search) -> float:
    try:
        mean = check_canaries(opened.manifest.canaries, search)
    except MismatchError as error:
        raise VerificationError(f"{opened.path}: {error}; build it again") from error
    if mean is None:
        raise VerificationError(f"{opened.path} has no canary queries to check it with; build it again")
    return mean
