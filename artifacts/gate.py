"""What the gate found of a version, kept in the store as `gate/ID.json`, one record a version.

The record stands beside the version and not in its manifest: a version never changes once it is written, and its
manifest is what the checks begin with, while a decision depends on what was published at the time and may be taken
again. So that it is not lost or taken for another's all the same, the record is replaced atomically under the
store's lock, has a checksum over itself, and names its version by the SHA-256 of the manifest. It keeps every
decision that was forced, goes when its version goes, and is written before CURRENT changes: no version is ever
published by force without its record. What is served is still told by CURRENT alone.
"""

import hashlib
from pathlib import Path
from typing import Literal

from artifacts.atomic import replace_file
from artifacts.checksums import sha256_of_file
from artifacts.errors import DamagedError
from artifacts.index_version import MANIFEST_FILE
from artifacts.records import Record, read_record
from artifacts.store import Store

GATE_SCHEMA_VERSION = 1
GATE_FOLDER = "gate"
_REMEMBERED = 20  # decisions that nobody forced; those that were forced are all kept

Outcome = Literal["passed", "refused", "forced"]


class GateCheck(Record):
    """A figure of a version and its limit."""

    name: str
    figure: float
    bound: Literal["at least", "at most"]
    limit: float

    @property
    def passed(self) -> bool:
        """Whether the figure keeps to the limit."""
        return self.figure >= self.limit if self.bound == "at least" else self.figure <= self.limit

    def __str__(self) -> str:
        return f"{self.name} is {self.figure:.4g}, expected {self.bound} {self.limit:g}"


class GateDecision(Record):
    """What came of one run of the gate."""

    decided_at: str  # ISO 8601, UTC
    outcome: Outcome
    compared_with: str | None  # the version that was current; None where there was none, or it is this one
    fault: str | None  # why the version cannot be loaded; no force publishes it then
    checks: tuple[GateCheck, ...]
    reason: str | None = None  # of whoever forced it

    @property
    def failures(self) -> tuple[str, ...]:
        """Every failed check as a part of a sentence."""
        return failures_of(self.fault, self.checks)


class GateRecord(Record):
    """The content of gate/ID.json."""

    schema_version: int = GATE_SCHEMA_VERSION
    version: str
    manifest_sha256: str | None  # None where the version has no manifest
    decisions: tuple[GateDecision, ...]  # latest last
    fingerprint: str  # SHA-256 over the rest

    @property
    def latest(self) -> GateDecision:
        """The decision that marks the version."""
        return self.decisions[-1]


def failures_of(fault: str | None, checks: tuple[GateCheck, ...]) -> tuple[str, ...]:
    """A fault and all failed checks, each as a part of a sentence."""
    return (*([fault] if fault else []), *(str(check) for check in checks if not check.passed))


def read_gate_record(store: Store, version: str) -> GateRecord | None:
    """What the gate found of a version; None where it never judged it, or another one of this name.

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
    """Note a decision on a version, as the latest.

    Raises:
        StoreError: the store has no such version, or its lock is not to be had.
        FormatError: the record so far is not what this version of Vitrine reads; it stays as it is.
    """
    with store.locked() as held:
        decisions = _forgetting((*_decisions(held, version), decision))
        unsigned = GateRecord(
            version=version, manifest_sha256=_manifest_sha256(held, version), decisions=decisions, fingerprint=""
        )
        record = unsigned.model_copy(update={"fingerprint": _fingerprint(unsigned)})
        path = gate_path(held, version)
        path.parent.mkdir(exist_ok=True)
        replace_file(path, record.model_dump_json(indent=2).encode() + b"\n")
        return record


def gate_path(store: Store, version: str) -> Path:
    """Where the record of a version is, whether or not there is one."""
    return store.path / GATE_FOLDER / f"{version}.json"


def _decisions(store: Store, version: str) -> tuple[GateDecision, ...]:
    try:
        record = read_gate_record(store, version)
    except DamagedError:  # what it said is lost already
        return ()
    return record.decisions if record else ()


def _forgetting(decisions: tuple[GateDecision, ...]) -> tuple[GateDecision, ...]:
    recent = len(decisions) - _REMEMBERED
    return tuple(decision for i, decision in enumerate(decisions) if i >= recent or decision.outcome == "forced")


def _manifest_sha256(store: Store, version: str) -> str | None:
    path = store.version_path(version) / MANIFEST_FILE
    return sha256_of_file(path) if path.is_file() else None


def _fingerprint(record: GateRecord) -> str:
    return hashlib.sha256(record.model_dump_json(exclude={"fingerprint"}).encode()).hexdigest()
