"""Lists the versions of a store as a table."""

from dataclasses import dataclass, replace

from artifacts.columns import align_columns
from artifacts.errors import ArtifactError, DamagedError
from artifacts.gate import GateDecision, read_gate_record
from artifacts.manifest import IndexDescription, Manifest, read_manifest
from artifacts.store import Publication, Store
from index_builder.index.few_queries import describe_few_queries

_HEADER = ("", "version", "created", "model", "fingerprint", "products", "index", "recall@100", "gate")
_RIGHT = {"products", "recall@100"}


@dataclass(frozen=True)
class ListedVersion:
    """A version of a store.

    Attributes:
        version: id of the version.
        publication: "current", "previous" (published again by a rollback), or empty.
        manifest: manifest of the version; None where it cannot be read.
        damage: why the manifest cannot be read.
        gate: last decision of the gate, if there is one; see artifacts/gate.py.
        gate_damage: why the gate's record cannot be read.
    """

    version: str
    publication: str
    manifest: Manifest | None
    damage: str = ""
    gate: GateDecision | None = None
    gate_damage: str = ""


@dataclass(frozen=True)
class StoreListing:
    """The versions of a store by id, and what is wrong with its CURRENT file, if anything."""

    versions: tuple[ListedVersion, ...]
    fault: str = ""


def list_versions(store: Store) -> StoreListing:
    """List all complete versions of a store; manifests are read, files are not verified."""
    publication, fault = _publication(store)
    versions = tuple(_listed(store, version, publication) for version in store.version_ids())
    if publication.current and publication.current not in {listed.version for listed in versions}:
        fault = f"CURRENT names {publication.current}, which is not there; publish another version"
    return StoreListing(versions, fault)


def format_listing(listing: StoreListing) -> str:
    """Return a listing as lines of text with aligned columns."""
    if not listing.versions:
        return "\n".join(["no versions", *filter(None, [listing.fault])])
    rows = [_HEADER, *(_cells(listed) for listed in listing.versions)]
    lines = align_columns(rows, [_HEADER.index(name) for name in _RIGHT])
    lines += [f"{listed.version} is damaged: {listed.damage}" for listed in listing.versions if listed.damage]
    lines += [line for listed in listing.versions if (line := describe_gate(listed))]
    return "\n".join([*lines, *filter(None, [listing.fault])])


def gate_note(store: Store, version: str) -> str:
    """Return why the gate refused a version or was overruled; empty where it passed or was never checked."""
    return describe_gate(_with_gate(store, ListedVersion(version, "", None)))


def gate_notes(store: Store, version: str) -> tuple[str, ...]:
    """Return what the gate noted of a version without refusing it."""
    decision = _with_gate(store, ListedVersion(version, "", None)).gate
    return decision.notes if decision else ()


def describe_gate(listed: ListedVersion) -> str:
    """Return why the gate refused a version or was overruled; empty where it passed or was never checked."""
    if listed.gate_damage:
        return f"the gate's record of {listed.version} is damaged: {listed.gate_damage}"
    decision = listed.gate
    if decision is None or decision.outcome == "passed":
        return ""
    failures = "; ".join(decision.failures)
    if decision.outcome == "refused":
        return f"{listed.version} was refused at {decision.decided_at}: {failures}"
    return f"{listed.version} was forced at {decision.decided_at} ({decision.reason}) although {failures}"


def _publication(store: Store) -> tuple[Publication, str]:
    try:
        return store.publication(), ""
    except DamagedError as error:
        return Publication(current=None), str(error)


def _listed(store: Store, version: str, publication: Publication) -> ListedVersion:
    before = publication.previous[0] if publication.previous else None
    status = {publication.current: "current", before: "previous"}.get(version, "")
    listed = _with_gate(store, ListedVersion(version, status, None))
    try:
        return replace(listed, manifest=read_manifest(store.version_path(version)))
    except (ArtifactError, OSError) as error:
        return replace(listed, damage=str(error))


def _with_gate(store: Store, listed: ListedVersion) -> ListedVersion:
    try:
        record = read_gate_record(store, listed.version)
    except (ArtifactError, OSError) as error:
        return replace(listed, gate_damage=str(error))
    return replace(listed, gate=record.latest) if record else listed


def _cells(listed: ListedVersion) -> tuple[str, ...]:
    manifest, gate = listed.manifest, listed.gate.outcome if listed.gate else ""
    if manifest is None:
        return (listed.publication, listed.version, "damaged", "", "", "", "", "", gate)
    return (
        listed.publication,
        listed.version,
        manifest.created_at,
        manifest.model.name,
        manifest.model.fingerprint[:12],
        f"{manifest.count:,}",
        manifest.index.factory,
        _recall(manifest.index),
        gate,
    )


def _recall(index: IndexDescription) -> str:
    remarks = [] if index.reached_target else [f"below {index.target_recall:g}"]
    if describe_few_queries(index):
        remarks.append(f"{index.held_out_count} held-out queries")
    return f"{index.recall_at_100:.4f}" + (f" ({', '.join(remarks)})" if remarks else "")
