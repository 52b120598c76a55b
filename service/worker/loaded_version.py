"""An index version in memory, checked and ready to search."""

import datetime
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from traceback import clear_frames

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from artifacts.canaries import check_canaries
from artifacts.errors import ArtifactError, StoreError
from artifacts.index_version import IndexVersion, Manifest, open_index_version
from artifacts.store import Store
from knn import (
    DeviceError,
    GpuVectorIndex,
    KnnError,
    Neighbours,
    OperatingPoint,
    VectorIndex,
    read_index,
    set_threads,
    to_gpu,
)
from service.core.device import Device
from service.core.errors import NoPhotoSearchError, UnknownVersionError, VersionRefusedError
from service.core.logs import EventLog
from service.protocol.served_version import ServedVersion
from service.worker.filter_masks import Attributes, Mask
from service.worker.hit_table import SEARCH_FIELDS, HitTable
from service.worker.memory import free_bytes, needed_bytes
from service.worker.modality_scores import ScoreParts
from service.worker.modality_similarities import TowerCosines, mixes_towers
from service.worker.photo_queries import PhotoQueries, load_photo_queries
from service.worker.product_rows import ProductRows
from towers.query_encoder import OnnxQueryEncoder, QueryEncoder, Vectors

_log = EventLog(__name__)


@dataclass(frozen=True, eq=False)
class LoadedVersion:
    """Everything that answers a search. It never changes, and any number of threads may search it at once."""

    version_id: str
    manifest: Manifest
    encoder: QueryEncoder
    index: VectorIndex
    operating_point: OperatingPoint
    attributes: Attributes
    hits: HitTable
    rows: ProductRows
    score_parts: ScoreParts | None  # None where the model's fusion mixes its towers
    tower_cosines: TowerCosines | None  # None where the version keeps no vectors of towers
    photos: PhotoQueries | NoPhotoSearchError  # or why photos cannot be queries
    loaded_at: str  # ISO 8601, UTC
    _gpu_turn: threading.Lock = field(default_factory=threading.Lock)  # an index on a GPU is searched by one at a time

    @property
    def count(self) -> int:
        """Number of products."""
        return self.index.count

    @property
    def index_device(self) -> Device:
        """Where the index is searched."""
        return Device.CUDA if isinstance(self.index, GpuVectorIndex) else Device.CPU

    def search(self, vectors: Vectors, k: int, rows: Mask | None = None) -> Neighbours:
        """The k nearest products of each vector, (n, D) -> (n, min(k, count)), among the rows marked."""
        with self._turn():
            return self.index.search(vectors, min(k, self.count), self.operating_point, rows)

    def reconstruct(self, rows: npt.NDArray[np.int64]) -> Vectors:
        """The vectors of products, (n,) -> (n, D)."""
        with self._turn():
            return self.index.reconstruct(rows)

    def _turn(self) -> AbstractContextManager[object]:
        return self._gpu_turn if self.index_device is Device.CUDA else nullcontext()

    def describe(self) -> ServedVersion:
        """What others should know of it."""
        return ServedVersion(
            version_id=self.version_id,
            manifest=self.manifest,
            index_device=self.index_device,
            no_photos=str(self.photos) if isinstance(self.photos, NoPhotoSearchError) else None,
            loaded_at=self.loaded_at,
            columns=self.attributes.descriptions,
            parts=self.score_parts.names if self.score_parts else (),
        )


def load_version(
    store: Store,
    version_id: str,
    *,
    device: Device,
    encoder_threads: int,
    photo_search: bool = True,
    most_bytes: int | None = None,
) -> LoadedVersion:
    """Load a version, verify it, and search its canaries, which also warms it up.

    It takes seconds to minutes.

    Args:
        store: That has it.
        version_id: Its name.
        device: What it is searched on.
        encoder_threads: Of one photo.
        photo_search: Whether photos are to be queries, where its model takes them.
        most_bytes: Of memory that it may take, by `VITRINE_COMPARE_MB`.

    Raises:
        UnknownVersionError: The store has no such version.
        VersionRefusedError: It is damaged, its parts do not belong together, or it does not find what its
            builder found. The message names files relative to the store.
    """
    set_threads(1)  # of this loading thread: those who search now need the other cores
    try:
        path = store.version_path(version_id)
    except StoreError as error:
        raise UnknownVersionError(_plain(error, store.path)) from error
    try:
        opened = open_index_version(path, leave_index=True)
        _check_memory(opened, photo_search, most_bytes)
        return _load(opened, version_id, device, encoder_threads, photo_search)
    except (ArtifactError, KnnError, OSError, MemoryError, VersionRefusedError) as error:
        clear_frames(error.__traceback__)  # or whoever handles the error keeps the whole index in memory
        raise VersionRefusedError(f"version {version_id}: {_plain(error, store.path)}") from error


def _load(
    opened: IndexVersion, version_id: str, device: Device, encoder_threads: int, photo_search: bool
) -> LoadedVersion:
    products, description = opened.products(), opened.manifest.index
    record = opened.index_record
    cpu_index = read_index(opened.index_path, record.sha256, record.size_bytes)
    encoder = _load_encoder(opened, device)
    _check_sizes(opened.manifest, products, cpu_index, encoder)
    _note_hidden_attributes(version_id, products)
    tower_cosines = TowerCosines.of(opened, encoder)
    photos = load_photo_queries(opened, encoder_threads, photo_search)
    version = LoadedVersion(
        version_id=version_id,
        manifest=opened.manifest,
        encoder=encoder,
        index=_place_index(cpu_index, version_id, device),
        operating_point=OperatingPoint(description.nprobe, description.k_factor),
        attributes=Attributes(products),
        hits=HitTable(products),
        rows=ProductRows(products["product_id"]),
        score_parts=None if mixes_towers(opened) else ScoreParts.of(opened.query),
        tower_cosines=tower_cosines,
        photos=photos,
        loaded_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )
    _check_answers(version, products["product_id"])
    return version


def _load_encoder(opened: IndexVersion, device: Device) -> QueryEncoder:
    if device is Device.CPU:
        return OnnxQueryEncoder(opened.query_folder, opened.query)  # each thread that searches encodes too
    from towers.torch_query_encoder import TorchQueryEncoder  # imports torch, which the CPU service lacks

    return TorchQueryEncoder(opened.query_folder, opened.query, device=device.value)


def _place_index(index: VectorIndex, version_id: str, device: Device) -> VectorIndex:
    if device is Device.CPU:
        return index
    try:
        return to_gpu(index)
    except DeviceError as error:
        _log.warning("index_stays_on_cpu", version=version_id, reason=str(error))
        return index


def _check_memory(opened: IndexVersion, photo_search: bool, most_bytes: int | None) -> None:
    """Refuse before loading what would end in the system killing processes, perhaps the one that serves."""
    needed, free = needed_bytes(opened, photo_search), free_bytes()
    if most_bytes is not None and needed > most_bytes:
        raise VersionRefusedError(
            f"it takes about {needed / 1e9:.2f} GB of memory and a second version may take {most_bytes / 1e9:.2f} GB; "
            "VITRINE_COMPARE_MB allows more"
        )
    if free is not None and needed > free:
        raise VersionRefusedError(
            f"it takes about {needed / 1e9:.2f} GB of memory and {free / 1e9:.2f} GB are free; give the service more, "
            "or restart it, since a restart needs no room for two versions"
        )


def _check_sizes(manifest: Manifest, products: pa.Table, index: VectorIndex, encoder: QueryEncoder) -> None:
    if products.num_rows == 0:
        raise VersionRefusedError("it holds no products")
    counts = {"manifest": manifest.count, "index": index.count, "products.parquet": products.num_rows}
    widths = {"manifest": manifest.width, "index": index.width, "query encoder": encoder.width}
    for what, numbers in (("products", counts), ("width", widths)):
        if len(set(numbers.values())) > 1:
            told = ", ".join(f"{number} by the {source}" for source, number in numbers.items())
            raise VersionRefusedError(f"its parts disagree on the {what}: {told}; build it again")


def _check_answers(version: LoadedVersion, product_ids: pa.ChunkedArray) -> None:
    """Search the canaries; where there are none, search something, to warm up."""

    def search(queries: list[str], k: int) -> Sequence[Sequence[str]]:
        found = version.search(version.encoder.encode(queries), k)
        return [product_ids.take(rows[rows >= 0]).to_pylist() for rows in found.rows.astype(np.int64)]

    if not version.manifest.canaries:
        _log.warning("no_canaries", version=version.version_id)
        search(["warm up"], 1)
    check_canaries(version.manifest.canaries, search)


def _note_hidden_attributes(version_id: str, products: pa.Table) -> None:
    for name in SEARCH_FIELDS:
        if name in products.column_names:
            _log.warning("attribute_not_shown", version=version_id, column=name)


def _plain(error: BaseException, store_path: Path) -> str:
    """An error's message with paths relative to the store: callers have no business with the rest."""
    text = str(error) or type(error).__name__
    return text.replace(f"{store_path}/", "").replace(str(store_path), "the store")
