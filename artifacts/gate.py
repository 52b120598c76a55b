"""Decisions of the publication gate: one record for each version, `gate/ID.json` in the store.

The record is not part of the version's manifest, because a version never changes once it is written, while a decision
depends on what was published at that time and can be repeated. The record is replaced atomically under the store's
lock, has a checksum of its content, and identifies its version by the SHA-256 of the manifest. It keeps all forced
decisions, is removed with its version, and is written before CURRENT changes: no version is ever published by force
without a record. Only CURRENT decides which version is served.
"""

import hashlib
from pathlib import Path
from typing import Literal

from artifacts.atomic import replace_file
from artifacts.checksums import sha256_of_file
from artifacts.errors import DamagedError
from artifacts.manifest import MANIFEST_FILE
from artifacts.records import Record, read_record
from artifacts.store import Store

GATE_SCHEMA_VERSION = 1
GATE_FOLDER = "gate"
_KEPT_DECISIONS = 20  # besides forced decisions, which are all kept

Outcome = Literal["passed", "refused", "forced"]


class GateCheck(Record):
    """A measured value of a version and its limit."""

    name: str
    figure: float
    bound: Literal["at least", "at most"]
    limit: float

    @property
    def passed(self) -> bool:
        """Whether the value is within the limit."""
        return self.figure >= self.limit if self.bound == "at least" else self.figure <= self.limit

    def __str__(self) -> str:
        return f"{self.name} is {self.figure:.4g}, expected {self.bound} {self.limit:g}"


class GateDecision(Record):
    """The result of one run of the gate."""

    decided_at: str  # ISO 8601, UTC
    outcome: Outcome
    compared_with: str | None  # the version that was current; None if there was none, or if it is this one
    fault: str | None  # why the version cannot be loaded; such a version is not published by force either
    checks: tuple[GateCheck, ...]
    reason: str | None = None  # given by the person who forced it
    objections: tuple[str, ...] = ()  # what no figure expresses, each as a clause; absent in older records
    notes: tuple[str, ...] = ()  # what should be known and refuses nothing, each as a clause; absent in older records

    @property
    def failures(self) -> tuple[str, ...]:
        """The fault, every objection and every failed check, each as a clause."""
        return failures_of(self.fault, self.objections, self.checks)


class GateRecord(Record):
    """The content of gate/ID.json."""

    schema_version: int = GATE_SCHEMA_VERSION
    version: str
    manifest_sha256: str | None  # None if the version has no manifest
    decisions: tuple[GateDecision, ...]  # latest last
    fingerprint: str  # SHA-256 over the other fields

    @property
    def latest(self) -> GateDecision:
        """The latest decision, which counts."""
        return self.decisions[-1]


def failures_of(fault: str | None, objections: tuple[str, ...], checks: tuple[GateCheck, ...]) -> tuple[str, ...]:
    """Return the fault, all objections and all failed checks, each as a clause."""
    return (*([fault] if fault else []), *objections, *(str(check) for check in checks if not check.passed))


def read_gate_record(store: Store, version: str) -> GateRecord | None:
    """Read the record of a version; None if the gate has not checked it, or only another version of this name.

    Raises:
        StoreError: the store has no such version.
        DamagedError: the record is unreadable or altered.
        FormatError: the record is not what this version of Vitrine reads.
    """
    path, manifest_sha256 = gate_path(store, version), _manifest_sha256(store, version)
    if not path.exists():
        return None
    record = read_record(path, GateRecord, schema_version=GATE_SCHEMA_VERSION)
    if not record.decisions or _fingerprint(record) != record.fingerprint:
        raise DamagedError(f"{path} is not what the gate wrote; publish the version to have it judged again")
    return record if (record.version, record.manifest_sha256) == (version, manifest_sha256) else None


def add_decision(store: Store, version: str, decision: GateDecision) -> GateRecord:
    """Add a decision to the record of a version.

    Raises:
        StoreError: the store has no such version, or another process holds its lock.
        FormatError: the existing record is not what this version of Vitrine reads; it is not changed.
    """
    with store.locked() as held:
        decisions = _drop_oldest((*_decisions(held, version), decision))
        unsigned = GateRecord(
            version=version, manifest_sha256=_manifest_sha256(held, version), decisions=decisions, fingerprint=""
        )
        as_read = GateRecord.model_validate_json(unsigned.model_dump_json())  # with every key set
        record = as_read.model_copy(update={"fingerprint": _fingerprint(as_read)})
        path = gate_path(held, version)
        path.parent.mkdir(exist_ok=True)
        replace_file(path, record.model_dump_json(indent=2).encode() + b"\n")
        return record


def gate_path(store: Store, version: str) -> Path:
    """Return the path of a version's record, which may not exist."""
    return store.path / GATE_FOLDER / f"{version}.json"


def _decisions(store: Store, version: str) -> tuple[GateDecision, ...]:
    try:
        record = read_gate_record(store, version)
    except DamagedError:  # its content is lost
        return ()
    return record.decisions if record else ()


def _drop_oldest(decisions: tuple[GateDecision, ...]) -> tuple[GateDecision, ...]:
    recent = len(decisions) - _KEPT_DECISIONS
    return tuple(decision for i, decision in enumerate(decisions) if i >= recent or decision.outcome == "forced")


def _manifest_sha256(store: Store, version: str) -> str | None:
    path = store.version_path(version) / MANIFEST_FILE
    return sha256_of_file(path) if path.is_file() else None


def _fingerprint(record: GateRecord) -> str:
    """Return the SHA-256 over the keys that the file has: older records lack those that were added since."""
    return hashlib.sha256(record.model_dump_json(exclude={"fingerprint"}, exclude_unset=True).encode()).hexdigest()
