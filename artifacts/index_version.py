"""An index version: a folder with everything that the service needs to answer searches.

    manifest.json      the manifest (artifacts/manifest.py), with the SHA-256 and size of every other file
    index.faiss        the vectors
    curve.png          plot of recall against search time; absent in older versions
    products.parquet   the catalogue; row i is FAISS id i
    failures.parquet   photos that could not be used, and why; absent in the oldest versions
    keys.npy           key of the title and photo that each vector was made from (`index_builder/core/keys.py`);
                       absent in older versions
    towers.npy         the products' tower vectors, in versions whose scores are explained by them
    words/             the products' words (lexical/); absent in versions without, as all older ones are
    query/             the query side of the model (artifacts/side.py)
    photo/             its photo encoder (artifacts/photo_encoder.py); absent if the bundle has none

It needs no other files and never changes once it is written.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from artifacts.catalog import CATALOG_COLUMNS
from artifacts.checksums import FileRecord, fingerprint_of, record_files, verify_files
from artifacts.errors import DamagedError, MismatchError
from artifacts.manifest import MANIFEST_FILE, Manifest, read_manifest, write_manifest
from artifacts.photo_encoder import PHOTO_ENCODER_FOLDER, read_photo_tower
from artifacts.side import SideSpec, read_side_spec
from artifacts.tables import count_rows, read_table
from artifacts.tower_specs import ClipImageTowerSpec

INDEX_FILE = "index.faiss"
PRODUCTS_FILE = "products.parquet"
FAILURES_FILE = "failures.parquet"
CURVE_FILE = "curve.png"
KEYS_FILE = "keys.npy"
TOWER_VECTORS_FILE = "towers.npy"
QUERY_FOLDER = "query"
WORDS_FOLDER = "words"

TowerVectors = npt.NDArray[np.float16]


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
    def words_folder(self) -> Path | None:
        """The folder of the products' words; None if the version has none."""
        return self.path / WORDS_FOLDER if has_words(self.manifest) else None

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


def has_words(manifest: Manifest) -> bool:
    """Return whether a version has the words of its products."""
    return any(name.startswith(f"{WORDS_FOLDER}/") for name in manifest.files)


def finish_index_version(
    folder: Path, manifest_without_files: Manifest, known: Mapping[str, FileRecord] | None = None
) -> None:
    """Complete a folder with index, products and query side by writing manifest.json with their checksums.

    Args:
        folder: the folder.
        manifest_without_files: what the manifest says besides the checksums.
        known: checksums of files that need not be read again, by their path in the folder.
    """
    write_manifest(folder, manifest_without_files.model_copy(update={"files": record_files(folder, known or {})}))


def number_version(folder: Path, sequence: int) -> None:
    """Record a completed version's place in the order of the store's versions."""
    write_manifest(folder, read_manifest(folder).model_copy(update={"sequence": sequence}))


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
