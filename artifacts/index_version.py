"""An index version: a folder with everything that the service needs to answer searches.

    manifest.json      the Manifest below, with the SHA-256 and size of every other file
    index.faiss        the vectors
    curve.png          plot of recall against search time; absent in older versions
    products.parquet   the catalogue; row i is FAISS id i
    failures.parquet   photos that could not be used, and why; absent in the oldest versions
    keys.npy           key of the title and photo that each vector was made from (`index_builder/core/keys.py`);
                       absent in older versions
    towers.npy         the products' tower vectors, in versions whose scores are explained by them
    query/             the query side of the model (artifacts/side.py)
    photo/             its photo encoder (artifacts/photo_encoder.py); absent if the bundle has none

It needs no other files and never changes once it is written.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field

from artifacts.bundle import ModelBundle
from artifacts.catalog import CATALOG_COLUMNS
from artifacts.checksums import FileRecord, fingerprint_of, record_files, verify_files
from artifacts.errors import DamagedError, MismatchError
from artifacts.photo_encoder import PHOTO_ENCODER_FOLDER, read_photo_tower
from artifacts.records import Record, read_record, write_record
from artifacts.side import SideSpec, read_side_spec
from artifacts.tables import count_rows, read_table
from artifacts.tower_specs import ClipImageTowerSpec

VERSION_SCHEMA_VERSION = 1
MANIFEST_FILE = "manifest.json"
INDEX_FILE = "index.faiss"
PRODUCTS_FILE = "products.parquet"
FAILURES_FILE = "failures.parquet"
CURVE_FILE = "curve.png"
KEYS_FILE = "keys.npy"
TOWER_VECTORS_FILE = "towers.npy"
QUERY_FOLDER = "query"

TowerVectors = npt.NDArray[np.float16]
# Titles are among them if the model was fitted without a log, or with one that has few queries.
MeasuredWith = Literal["held-out queries", "held-out queries and titles", "titles"]


class ModelIdentity(Record):
    """The model that made the vectors."""

    name: str
    fingerprint: str  # fingerprint of the whole bundle
    query_fingerprint: str
    product_fingerprint: str
    photo_fingerprint: str | None = None  # None if there is no photo encoder

    @classmethod
    def of(cls, bundle: ModelBundle) -> "ModelIdentity":
        """Return the identity of a bundle's model."""
        return cls(
            name=bundle.card.origin.name,
            fingerprint=bundle.fingerprint,
            query_fingerprint=bundle.query_fingerprint,
            product_fingerprint=bundle.product_fingerprint,
            photo_fingerprint=bundle.photo_fingerprint,
        )


class MeasuredPoint(Record):
    """One operating point, measured with held-out queries and compared with exact search."""

    nprobe: int | None
    k_factor: float | None
    recall_at_100: float  # tie-tolerant
    strict_recall_at_100: float
    ef_search: int | None = None
    ms_per_query: float  # a single query with one thread, on the device IndexDescription.timed_on


class IndexTrial(Record):
    """An index type that was measured on a sample of the products before one was chosen."""

    factory: str  # of the index over all products
    index_bytes: int  # of the index over all products, estimated
    sample_rows: int
    recall_depth: int  # the k of recall on the sample: the sample's share of the 100 best of all
    reached_target: bool
    estimated_ms: float  # time of a search over all products at the best point
    curve: tuple[MeasuredPoint, ...]


class IndexDescription(Record):
    """The index and how it is searched."""

    factory: str  # FAISS factory string
    nprobe: int | None  # at the operating point that the service uses; None if the type has no nprobe
    k_factor: float | None
    ef_search: int | None = None  # of a graph; None in older versions too
    target_recall: float
    recall_at_100: float
    reached_target: bool
    measured_queries: int
    measured_with: MeasuredWith
    held_out_queries: int | None = None  # how many of the measured queries are held-out ones; absent in older versions
    curve: tuple[MeasuredPoint, ...]
    tie_tolerance: float = (
        1e-6  # how far below the exact 100th score a score counts at most; the default is that of the oldest versions
    )
    # The share of the spread of a query's exact 50th to 100th score that its tolerance is, up to `tie_tolerance`; None
    # in older versions, where that was the tolerance of all queries.
    tie_share: float | None = None
    built_for: Literal["cpu", "cuda"] = "cpu"
    timed_on: Literal["cpu", "cuda"] = "cpu"
    trials: tuple[IndexTrial, ...] = ()  # empty if the type was given or taken over, or only one was possible
    memory_budget_bytes: int | None = None  # that the index had to fit into; None if its type was given
    chosen_count: int | None = None  # products for which the type was chosen and trained; None in older versions

    @property
    def held_out_count(self) -> int:
        """How many real queries it was measured with that training never saw."""
        if self.held_out_queries is not None:
            return self.held_out_queries
        return self.measured_queries if self.measured_with == "held-out queries" else 0

    @property
    def chosen(self) -> MeasuredPoint | None:
        """The point of the curve that the service uses; None if the curve lacks it."""
        dials = (self.nprobe, self.k_factor, self.ef_search)
        return next((point for point in self.curve if (point.nprobe, point.k_factor, point.ef_search) == dials), None)


class PhotoCounts(Record):
    """How many products were indexed with and without their photo."""

    usable: int
    absent: int  # products for which the catalogue names no photo
    unusable: dict[str, int] = Field(default_factory=dict)  # products none of whose photos could be used, by reason
    # Other photos that could not be used, of products that name several.
    further_unusable: dict[str, int] = Field(default_factory=dict)


class Canary(Record):
    """A query and the products that exact search finds for it, best first."""

    query: str
    product_ids: tuple[str, ...]


class Manifest(Record):
    """The content of manifest.json."""

    schema_version: int = VERSION_SCHEMA_VERSION
    version: str
    created_at: str  # ISO 8601, UTC
    model: ModelIdentity
    width: int
    count: int
    index: IndexDescription
    photos: PhotoCounts
    with_history: int | None = None  # products whose vectors include their history; None if the model has no history
    with_prior: int | None = None  # products whose popularity is known; None if the model has no prior
    base: str | None = None  # the version that an update was made from; None for a build of a whole catalogue
    sequence: int | None = None  # grows with each version that the store gets; None in older versions
    canaries: tuple[Canary, ...]
    files: dict[str, FileRecord]
    seal: str | None = None  # SHA-256 of all keys above; absent in the oldest versions


@dataclass(frozen=True)
class IndexVersion:
    """A verified index version on disk."""

    path: Path
    manifest: Manifest
    query: SideSpec
    photo: ClipImageTowerSpec | None = None  # the tower of its photo encoder, if it has one

    @property
    def query_folder(self) -> Path:
        """The query side's folder."""
        return self.path / QUERY_FOLDER

    @property
    def photo_folder(self) -> Path:
        """The photo encoder's folder, which may be absent."""
        return self.path / PHOTO_ENCODER_FOLDER

    @property
    def index_path(self) -> Path:
        """The FAISS file."""
        return self.path / INDEX_FILE

    @property
    def index_record(self) -> FileRecord:
        """Size and checksum of the FAISS file, which are verified again when it is read."""
        return self.manifest.files[INDEX_FILE]

    def products(self) -> pa.Table:
        """Read the catalogue's rows; row i is FAISS id i."""
        return read_table(self.path / PRODUCTS_FILE, CATALOG_COLUMNS)

    def open_tower_vectors(self) -> TowerVectors | None:
        """Open the unit vectors of each product's towers before fusion; None if the version has none.

        They are concatenated like those of a query (`SideSpec.tower_slices` of the query side), with NaN in place of
        the vector of a photo that could not be used. Shape: (count, T), float16, memory-mapped.

        Raises:
            DamagedError: the file is no array.
            MismatchError: the number of vectors, their width or their type is wrong.
        """
        if TOWER_VECTORS_FILE not in self.manifest.files:
            return None
        try:
            vectors: TowerVectors = np.load(self.path / TOWER_VECTORS_FILE, mmap_mode="r", allow_pickle=False)
        except ValueError as error:
            raise DamagedError(
                f"{self.path / TOWER_VECTORS_FILE} cannot be read: {error}; build the version again"
            ) from error
        expected = (self.manifest.count, sum(tower.width for tower in self.query.towers))
        if vectors.shape != expected or vectors.dtype != np.float16:
            raise MismatchError(
                f"{self.path / TOWER_VECTORS_FILE} has {vectors.dtype} of the shape {vectors.shape}, expected float16 "
                f"of {expected}; build the version again"
            )
        return vectors


def finish_index_version(
    folder: Path, manifest_without_files: Manifest, known: Mapping[str, FileRecord] | None = None
) -> None:
    """Complete a folder with index, products and query side by writing manifest.json with their checksums.

    Args:
        folder: the folder.
        manifest_without_files: what the manifest says besides the checksums.
        known: checksums of files that need not be read again, by their path in the folder.
    """
    _write_manifest(folder, manifest_without_files.model_copy(update={"files": record_files(folder, known or {})}))


def number_version(folder: Path, sequence: int) -> None:
    """Record a completed version's place in the order of the store's versions."""
    _write_manifest(folder, read_manifest(folder).model_copy(update={"sequence": sequence}))


def open_index_version(path: Path, *, leave_index: bool = False) -> IndexVersion:
    """Verify every file of an index version and that its parts belong together, and open it.

    Args:
        path: the version's folder.
        leave_index: skip the FAISS file, for callers that verify it by `index_record` when they read it.

    Raises:
        DamagedError: a file is missing or altered.
        FormatError: the manifest is not what this version of Vitrine reads.
        MismatchError: the query side or the photo encoder belongs to another model, the query side's width differs
            from the index's, or the numbers of products and vectors differ.
    """
    manifest = read_manifest(path)
    needed = [name for name in (INDEX_FILE, PRODUCTS_FILE) if name not in manifest.files]
    if needed:
        raise DamagedError(f"{path / MANIFEST_FILE} records no {needed[0]}; build the version again")
    left = (INDEX_FILE,) if leave_index else ()
    verify_files(path, {name: record for name, record in manifest.files.items() if name not in left})
    rows = count_rows(path / PRODUCTS_FILE)
    if rows != manifest.count:
        raise MismatchError(f"{path}: {PRODUCTS_FILE} has {rows} rows, the index {manifest.count} vectors")
    query = read_side_spec(path / QUERY_FOLDER)
    if query.width != manifest.width:
        raise MismatchError(f"{path}: the query side gives width {query.width}, the index has {manifest.width}")
    photo = read_photo_tower(path, manifest.files)
    _check_fingerprint(path, manifest, QUERY_FOLDER, "query side", manifest.model.query_fingerprint)
    if photo is not None or manifest.model.photo_fingerprint is not None:
        _check_fingerprint(path, manifest, PHOTO_ENCODER_FOLDER, "photo encoder", manifest.model.photo_fingerprint)
    return IndexVersion(path=path, manifest=manifest, query=query, photo=photo)


def _check_fingerprint(path: Path, manifest: Manifest, folder: str, what: str, expected: str | None) -> None:
    """Check that a part belongs to the model that made the vectors."""
    found = fingerprint_of(manifest.files, prefix=f"{folder}/")
    if found != expected:
        raise MismatchError(
            f"{path}: the {what} has fingerprint {found[:12]}, but the vectors were made "
            f"for {(expected or 'none')[:12]}; build the index again with this model"
        )


def read_manifest(path: Path) -> Manifest:
    """Read and verify the manifest of a version, but none of its other files.

    Raises:
        DamagedError: the manifest is missing, not JSON, or was altered.
        FormatError: the manifest is not what this version of Vitrine reads.
    """
    file = path / MANIFEST_FILE
    if not file.is_file():
        raise DamagedError(f"{path} is no index version: it has no {MANIFEST_FILE}")
    manifest = read_record(file, Manifest, schema_version=VERSION_SCHEMA_VERSION)
    if manifest.seal not in (None, _checksum(json.loads(file.read_bytes()))):
        raise DamagedError(f"{file} does not match the checksum of its content (key seal); it is damaged")
    return manifest


def _write_manifest(folder: Path, manifest: Manifest) -> None:
    checksum = _checksum(json.loads(manifest.model_copy(update={"seal": None}).model_dump_json()))
    write_record(folder / MANIFEST_FILE, manifest.model_copy(update={"seal": checksum}))


def _checksum(content: dict[str, Any]) -> str:
    """Return the SHA-256 over all keys of the file but `seal`, also over keys that this version does not know."""
    rest = {name: value for name, value in content.items() if name != "seal"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
