"""manifest.json, the description of an index version: what made it, from what, what was measured, and every file."""

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from artifacts.bundle import ModelBundle
from artifacts.checksums import FileRecord
from artifacts.errors import DamagedError
from artifacts.records import Record, read_record, write_record

VERSION_SCHEMA_VERSION = 1
MANIFEST_FILE = "manifest.json"

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


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write manifest.json into a version's folder, with the checksum of its content."""
    checksum = _checksum(json.loads(manifest.model_copy(update={"seal": None}).model_dump_json()))
    write_record(folder / MANIFEST_FILE, manifest.model_copy(update={"seal": checksum}))


def _checksum(content: dict[str, Any]) -> str:
    """Return the SHA-256 over all keys of the file but `seal`, also over keys that this version does not know."""
    rest = {name: value for name, value in content.items() if name != "seal"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
