"""The gate: the checks that a version must pass before it is published.

A version is loaded as the service would load it, and its figures are compared with limits and with the version that is
published now. A product feed cut in half, a photo server that was down, or a wrong model all build without an error:
only these figures show them. What is measured is in index_builder/versions/gate_checks.py.
"""

import datetime
from collections.abc import Iterator
from dataclasses import dataclass

from artifacts.errors import ArtifactError
from artifacts.gate import GateCheck, GateDecision, Outcome, add_decision, failures_of
from artifacts.manifest import Manifest, read_manifest
from artifacts.store import Store
from index_builder.core.errors import VerificationError
from index_builder.index.few_queries import describe_few_queries
from index_builder.versions.gate_checks import (
    answer_checks,
    column_objections,
    content_checks,
    manifest_checks,
    model_objections,
)
from index_builder.versions.gate_limits import GateLimits
from index_builder.versions.verify import VerifiedVersion, verify_version


@dataclass(frozen=True)
class Examination:
    """The results of the gate for a version.

    Attributes:
        version: id of the version.
        published: version that was published at the time; None where there was none.
        compared_with: id of the version that it was compared with, if any.
        fault: why it cannot be loaded; `checks` are then those that its manifest alone allows, if it has one.
        objections: what speaks against it and no figure expresses, each as part of a sentence.
        checks: all figures with their limits.
        notes: what should be known and is no reason to refuse it, each as part of a sentence.
    """

    version: str
    published: str | None
    compared_with: str | None
    fault: str | None
    objections: tuple[str, ...]
    checks: tuple[GateCheck, ...]
    notes: tuple[str, ...] = ()

    @property
    def failures(self) -> tuple[str, ...]:
        """The fault, all objections and all failed checks, each as part of a sentence."""
        return failures_of(self.fault, self.objections, self.checks)

    def decide(self, outcome: Outcome, reason: str | None = None) -> GateDecision:
        """Return the record of the gate's decision."""
        return GateDecision(
            decided_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            outcome=outcome,
            compared_with=self.compared_with,
            fault=self.fault,
            checks=self.checks,
            reason=reason,
            objections=self.objections,
            notes=self.notes,
        )


def examine_version(store: Store, version: str, limits: GateLimits) -> Examination:
    """Load a version and check all its figures, also after a failed check; write nothing.

    Raises:
        StoreError: the store has no such version, or the id is malformed.
    """
    published = store.publication_if_readable().current
    before = _read_published(store, published) if published != version else None
    verified, fault = _load(store, version)
    manifest = verified.manifest if verified else _manifest_or_none(store, version)
    objections = [*_lost_updates(store, manifest, published)] if manifest else []
    checks = [*manifest_checks(manifest, before, limits)] if manifest else []
    notes = [*filter(None, [describe_few_queries(manifest.index)])] if manifest else []
    if manifest and before:
        objections.extend(model_objections(manifest, before, limits))
    if verified:
        checks.extend(content_checks(verified, limits))
    if verified and before:
        objections.extend(column_objections(verified, before, store.version_path(before.version), limits))
        checks.extend(answer_checks(verified, before, limits))
    return Examination(
        version,
        published,
        compared_with=before.version if before else None,
        fault=fault,
        objections=tuple(objections),
        checks=tuple(checks),
        notes=tuple(notes),
    )


def check_and_record(store: Store, version: str, limits: GateLimits) -> Examination:
    """Examine a version and record in the store whether it passed; it is not published.

    Raises:
        StoreError: the store has no such version.
    """
    examination = examine_version(store, version, limits)
    add_decision(store, version, examination.decide("refused" if examination.failures else "passed"))
    return examination


def _load(store: Store, version: str) -> tuple[VerifiedVersion | None, str | None]:
    try:
        return verify_version(store, version), None
    except VerificationError as error:
        return None, str(error)


def _manifest_or_none(store: Store, version: str) -> Manifest | None:
    try:
        return read_manifest(store.version_path(version))
    except (ArtifactError, OSError):
        return None


def _read_published(store: Store, published: str | None) -> Manifest | None:
    """Return the manifest of the published version; None where it is missing or damaged, which blocks nothing."""
    try:
        return read_manifest(store.version_path(published)) if published else None
    except (ArtifactError, OSError):
        return None


def _lost_updates(store: Store, manifest: Manifest, published: str | None) -> Iterator[str]:
    """Yield what speaks against an update that was not made from the published version, also not by way of others."""
    bases = _bases(store, manifest)
    if not bases or published in (None, manifest.version, *bases):
        return
    made = f"it was made from version {manifest.base}, but {published} is published, and"
    remedy = f"(`update` gives the same changes to {published})"
    if _manifest_or_none(store, bases[-1]):
        yield f"{made} what {published} changed would be lost {remedy}"
    else:
        yield f"{made} since version {bases[-1]} is gone, nobody can tell whether it has all of {published} {remedy}"


def _bases(store: Store, manifest: Manifest | None) -> list[str]:
    """Return the version that this one was made from, the one that that one was made from, and so on."""
    found = list[str]()
    while manifest and manifest.base is not None and manifest.base not in found:
        found.append(manifest.base)
        manifest = _manifest_or_none(store, manifest.base)
    return found
