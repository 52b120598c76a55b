"""An index version in memory, verified and ready to be searched."""

import datetime
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from traceback import clear_frames
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from artifacts.canaries import check_canaries
from artifacts.errors import ArtifactError, StoreError
from artifacts.index_version import IndexVersion, open_index_version
from artifacts.manifest import Manifest
from artifacts.popularity import PriorColumns
from artifacts.product_json import SEARCH_FIELDS
from artifacts.store import Store
from knn import KnnError, Neighbours, OperatingPoint, VectorIndex, gpu_fault, read_index, set_threads
from service.core.device import Device
from service.core.errors import DeviceLostError, NoPhotoSearchError, UnknownVersionError, VersionRefusedError
from service.core.logs import EventLog
from service.core.store_paths import without_store_path
from service.protocol.served_version import ServedVersion
from service.worker.filter_masks import FilterColumns, Mask
from service.worker.hit_table import HitTable
from service.worker.memory import check_memory
from service.worker.modality_scores import ModalityScores
from service.worker.modality_similarities import ModalitySimilarities, mixes_towers
from service.worker.photo_queries import PhotoQueries, load_photo_queries
from service.worker.placement import place_encoder, place_index
from service.worker.product_rows import ProductRows
from towers.query_encoder import QueryEncoder, Vectors

if TYPE_CHECKING:
    from lexical import WordIndex

_log = EventLog(__name__)


@dataclass(frozen=True, eq=False)
class LoadedVersion:
    """Everything that answers a search. It is immutable, and any number of threads may search it at once."""

    version_id: str
    manifest: Manifest
    encoder: QueryEncoder
    index: VectorIndex
    operating_point: OperatingPoint
    filter_columns: FilterColumns
    hit_table: HitTable
    product_rows: ProductRows
    modality_scores: ModalityScores | None  # None if the model's fusion mixes title and photo
    modality_similarities: ModalitySimilarities | None  # None if the version holds no vectors of the towers
    photo_queries: PhotoQueries | NoPhotoSearchError  # the error says why the version cannot be searched by photo
    loaded_at: str  # ISO 8601, UTC
    words: "WordIndex | None" = None  # None if the version has no words
    prior: PriorColumns | None = None  # None if products' popularity is no part of the vectors
    encoder_device: Device = Device.CPU
    index_device: Device = Device.CPU  # the CPU, or that of the encoder
    _search_lock: threading.Lock = field(default_factory=threading.Lock)  # see `_index_lock`

    @property
    def count(self) -> int:
        """The number of products."""
        return self.index.count

    def search(self, vectors: Vectors, k: int, rows: Mask | None = None) -> Neighbours:
        """Return the k nearest products of each vector.

        Args:
            vectors: the query vectors. Shape (n, D).
            k: how many products; the result has min(k, count) columns.
            rows: the filter mask; None searches all products.
        """
        with self._index_lock():
            return self.index.search(vectors, min(k, self.count), self.operating_point, rows)

    def reconstruct(self, rows: npt.NDArray[np.int64]) -> Vectors:
        """Return the vectors of products by their rows, (n,) -> (n, D)."""
        with self._index_lock():
            return self.index.reconstruct(rows)

    def check_device(self) -> None:
        """Check that the GPU of the version, if it has one, still computes; called when a batch has failed.

        Raises:
            DeviceLostError: it does not, and will not in this process.
        """
        fault = None if self.encoder_device.gpu is None else gpu_fault(self.encoder_device.gpu)
        if fault is not None:
            raise DeviceLostError(fault)

    def _index_lock(self) -> AbstractContextManager[object]:
        """Let one thread at a time search if a GPU encodes: the index is on the GPU too, or all cores search it."""
        return nullcontext() if self.encoder_device.gpu is None else self._search_lock

    def describe(self) -> ServedVersion:
        """Return what the HTTP process needs to know of the version."""
        photos = self.photo_queries
        return ServedVersion(
            version_id=self.version_id,
            manifest=self.manifest,
            encoder_device=self.encoder_device,
            index_device=self.index_device,
            photo_search_refusal=str(photos) if isinstance(photos, NoPhotoSearchError) else None,
            loaded_at=self.loaded_at,
            columns=self.filter_columns.descriptions,
            modalities=self.modality_scores.names if self.modality_scores else (),
            rankings=("cosine", "words", "hybrid") if self.words else ("cosine",),
        )


def load_version(
    store: Store,
    version_id: str,
    *,
    device: Device,
    encoder_threads: int,
    photo_search: bool = True,
    max_bytes: int | None = None,
) -> LoadedVersion:
    """Load and verify a version, and search its canaries, which also warms it up. It takes seconds to minutes.

    Args:
        store: the store that holds the version.
        version_id: the version's name.
        device: the device that encodes and searches.
        encoder_threads: the number of threads that encode one photo.
        photo_search: whether searches by photo are offered, if the model supports them.
        max_bytes: the memory that the version may take, which `VITRINE_COMPARE_MB` sets; None for no limit.

    Raises:
        UnknownVersionError: the store has no such version.
        VersionRefusedError: the version is damaged, its files do not belong together, or its canary queries do not
            find what they found when it was built. The message names files relative to the store.
    """
    set_threads(1)  # for this loading thread only: present searches need the other cores
    try:
        path = store.version_path(version_id)
    except StoreError as error:
        raise UnknownVersionError(without_store_path(error, store.path)) from error
    try:
        opened = open_index_version(path, leave_index=True)
        device = check_memory(opened, photo_search, max_bytes, device)
        return _load(opened, version_id, device, encoder_threads, photo_search)
    except (ArtifactError, KnnError, OSError, MemoryError, VersionRefusedError) as error:
        clear_frames(error.__traceback__)  # otherwise the error would keep the whole index in memory
        raise VersionRefusedError(f"version {version_id}: {without_store_path(error, store.path)}") from error


def _load(
    opened: IndexVersion, version_id: str, device: Device, encoder_threads: int, photo_search: bool
) -> LoadedVersion:
    products, description = opened.products(), opened.manifest.index
    record = opened.index_record
    cpu_index = read_index(opened.index_path, record.sha256, record.size_bytes)
    encoder, encoder_device = place_encoder(opened, device)
    _check_sizes(opened.manifest, products, cpu_index, encoder)
    _warn_of_hidden_attributes(version_id, products)
    similarities = ModalitySimilarities.of(opened, encoder)
    photo_queries = load_photo_queries(opened, encoder_threads, photo_search)
    index, index_device = place_index(cpu_index, opened, encoder_device)
    version = LoadedVersion(
        version_id=version_id,
        manifest=opened.manifest,
        encoder=encoder,
        index=index,
        operating_point=OperatingPoint(description.nprobe, description.k_factor, description.ef_search),
        filter_columns=FilterColumns(products),
        hit_table=HitTable(products),
        product_rows=ProductRows(products["product_id"]),
        modality_scores=None if mixes_towers(opened) else ModalityScores.of(opened.query),
        modality_similarities=similarities,
        photo_queries=photo_queries,
        loaded_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        words=_open_words(opened),
        prior=PriorColumns.of(opened.query),
        encoder_device=encoder_device,
        index_device=index_device,
    )
    _check_answers(version, products["product_id"])
    return version


def _open_words(opened: IndexVersion) -> "WordIndex | None":
    if opened.words_folder is None:
        return None
    from lexical import LexicalError, WordIndex  # only here, so that versions without words need no tantivy

    try:
        return WordIndex.open(opened.words_folder, opened.manifest.count)
    except LexicalError as error:
        raise VersionRefusedError(str(error)) from error


def _check_sizes(manifest: Manifest, products: pa.Table, index: VectorIndex, encoder: QueryEncoder) -> None:
    if products.num_rows == 0:
        raise VersionRefusedError("it holds no products")
    counts = {"manifest": manifest.count, "index": index.count, "products.parquet": products.num_rows}
    widths = {"manifest": manifest.width, "index": index.width, "query encoder": encoder.width}
    for what, numbers in (("products", counts), ("width", widths)):
        if len(set(numbers.values())) > 1:
            claims = ", ".join(f"{number} by the {source}" for source, number in numbers.items())
            raise VersionRefusedError(f"its files disagree on the {what}: {claims}; build it again")


def _check_answers(version: LoadedVersion, product_ids: pa.ChunkedArray) -> None:
    """Search the canary queries; if there are none, search anything, to warm up."""

    def search(queries: list[str], k: int) -> Sequence[Sequence[str]]:
        found = version.search(version.encoder.encode(queries), k)
        return [product_ids.take(rows[rows >= 0]).to_pylist() for rows in found.rows.astype(np.int64)]

    if not version.manifest.canaries:
        _log.warning("no_canaries", version=version.version_id)
        search(["warm up"], 1)
    check_canaries(version.manifest.canaries, search)


def _warn_of_hidden_attributes(version_id: str, products: pa.Table) -> None:
    for name in SEARCH_FIELDS:
        if name in products.column_names:
            _log.warning("attribute_not_shown", version=version_id, column=name)
