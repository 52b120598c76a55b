"""An index version: a folder that holds all that the service needs to answer searches.

    manifest.json      the Manifest below, with the SHA-256 and size of every other file
    index.faiss        the vectors
    curve.png          recall against time, drawn for people; older versions have none
    products.parquet   the catalogue; row i is FAISS id i
    failures.parquet   photos that could not be used, and why; versions of the first builders have none
    keys.npy           of which title and photo each vector was made (`index_builder/core/keys.py`);
                       older versions have none
    towers.npy         the vectors of the products' towers, of a version whose scores are explained by them
    query/             the query side of the model (artifacts/side.py)
    photo/             its photo encoder (artifacts/photo_encoder.py); absent where the bundle had none

It is complete in itself and never changes once written.
"""

import hashlib
import json
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
from artifacts.side import ClipImageTowerSpec, SideSpec, read_side_spec
from artifacts.tables import count_rows, read_table

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


class ModelIdentity(Record):
    """Which model made the vectors."""

    name: str
    fingerprint: str  # of the whole bundle
    query_fingerprint: str
    product_fingerprint: str
    photo_fingerprint: str | None = None  # None where there is no photo encoder

    @classmethod
    def of(cls, bundle: ModelBundle) -> "ModelIdentity":
        """A bundle's."""
        return cls(
            name=bundle.card.origin.name,
            fingerprint=bundle.fingerprint,
            query_fingerprint=bundle.query_fingerprint,
            product_fingerprint=bundle.product_fingerprint,
            photo_fingerprint=bundle.photo_fingerprint,
        )


class MeasuredPoint(Record):
    """One operating point, measured against exact search with held-out queries."""

    nprobe: int | None
    k_factor: float | None
    recall_at_100: float  # tie-tolerant
    strict_recall_at_100: float
    ms_per_query: float  # one query alone, one thread; IndexDescription.timed_on says where


class IndexTrial(Record):
    """A type of index that was tried on a sample of the products before one was chosen."""

    factory: str  # as it would be built over all products
    index_bytes: int  # over all products, estimated
    sample_rows: int
    recall_depth: int  # the k of recall on the sample: its few best are the 100 best of all, thinned out alike
    reached_target: bool
    estimated_ms: float  # of the best point's search over all products
    curve: tuple[MeasuredPoint, ...]


class IndexDescription(Record):
    """The index and how it is searched."""

    factory: str  # FAISS factory string
    nprobe: int | None  # the operating point that the service uses; None where the type has no such dial
    k_factor: float | None
    target_recall: float
    recall_at_100: float
    reached_target: bool
    measured_queries: int
    measured_with: Literal["held-out queries", "titles"]  # titles where a model was fitted without a log
    curve: tuple[MeasuredPoint, ...]
    tie_tolerance: float = 1e-6  # how far below the exact 100th a score counts; the first builders named none
    built_for: Literal["cpu", "cuda"] = "cpu"
    timed_on: Literal["cpu", "cuda"] = "cpu"
    trials: tuple[IndexTrial, ...] = ()  # empty where the type was given, or only one came into question

    @property
    def chosen(self) -> MeasuredPoint | None:
        """The point of the curve that the service uses; None in a manifest whose curve lacks it."""
        dials = (self.nprobe, self.k_factor)
        return next((point for point in self.curve if (point.nprobe, point.k_factor) == dials), None)


class PhotoCounts(Record):
    """How many products entered with and without their photo."""

    usable: int
    absent: int  # the catalogue names none
    unusable: dict[str, int] = Field(default_factory=dict)  # named but not readable, by reason


class Canary(Record):
    """A query and the products that exact search gives for it, best first."""

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
    with_history: int | None = None  # products whose vectors their history moved; None where none was to
    canaries: tuple[Canary, ...]
    files: dict[str, FileRecord]
    seal: str | None = None  # SHA-256 of all of the above; versions of the first builders have none


@dataclass(frozen=True)
class IndexVersion:
    """A verified index version on disk."""

    path: Path
    manifest: Manifest
    query: SideSpec
    photo: ClipImageTowerSpec | None = None  # what its photo encoder is, if it has one

    @property
    def query_folder(self) -> Path:
        """The query side's folder."""
        return self.path / QUERY_FOLDER

    @property
    def photo_folder(self) -> Path:
        """The photo encoder's folder; it need not be there."""
        return self.path / PHOTO_ENCODER_FOLDER

    @property
    def index_path(self) -> Path:
        """The FAISS file."""
        return self.path / INDEX_FILE

    @property
    def index_record(self) -> FileRecord:
        """Size and checksum of the FAISS file, to be verified again by whoever reads it."""
        return self.manifest.files[INDEX_FILE]

    def products(self) -> pa.Table:
        """The catalogue's rows, row i being FAISS id i."""
        return read_table(self.path / PRODUCTS_FILE, CATALOG_COLUMNS)

    def open_tower_vectors(self) -> TowerVectors | None:
        """Unit vectors of each product's towers, before they were fused; None where the version keeps none.

        They stand side by side as those of a query do (`SideSpec.tower_slices` of the query side), with NaN in place of
        the vector of a photo that was not usable. Shape: (count, T), float16, mapped into memory and not read.

        Raises:
            DamagedError: the file is no array.
            MismatchError: there are more or fewer of them, or of another width or type.
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


def finish_index_version(folder: Path, manifest_without_files: Manifest) -> None:
    """Seal a folder that holds index, products and query side: write manifest.json with their checksums."""
    manifest = manifest_without_files.model_copy(update={"files": record_files(folder)})
    checksum = _checksum(json.loads(manifest.model_dump_json()))
    write_record(folder / MANIFEST_FILE, manifest.model_copy(update={"seal": checksum}))


def open_index_version(path: Path, *, leave_index: bool = False) -> IndexVersion:
    """Open an index version after checking every file of it and that its parts belong together.

    Args:
        path: of the version.
        leave_index: do not read the FAISS file, for one who reads it next and compares it with `index_record` then.

    Raises:
        DamagedError: a file is missing or altered.
        FormatError: the manifest is not what this version of Vitrine reads.
        MismatchError: the query side or the photo encoder is another model's, the query side's width differs from
            the index's, or there are more or fewer products than vectors.
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
    """Refuse a part that is not the model's own."""
    found = fingerprint_of(manifest.files, prefix=f"{folder}/")
    if found != expected:
        raise MismatchError(
            f"{path}: the {what} has fingerprint {found[:12]}, but the vectors were made "
            f"for {(expected or 'none')[:12]}; build the index again with this model"
        )


def read_manifest(path: Path) -> Manifest:
    """Read a version's manifest alone, verifying nothing else.

    Raises:
        DamagedError: it is missing, not JSON, or not what was written.
        FormatError: it is not what this version of Vitrine reads.
    """
    file = path / MANIFEST_FILE
    if not file.is_file():
        raise DamagedError(f"{path} is no index version: it has no {MANIFEST_FILE}")
    manifest = read_record(file, Manifest, schema_version=VERSION_SCHEMA_VERSION)
    if manifest.seal not in (None, _checksum(json.loads(file.read_bytes()))):
        raise DamagedError(f"{file} does not match the checksum of its content (key seal); it is damaged")
    return manifest


def _checksum(content: dict[str, Any]) -> str:
    """Return the SHA-256 over all keys of the file but `seal`, also over keys that this version does not know."""
    rest = {name: value for name, value in content.items() if name != "seal"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
