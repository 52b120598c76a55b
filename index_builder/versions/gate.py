"""The gate: the checks that a version must pass before it is published.

A version is loaded as the service would load it, and its figures are compared with limits and with the version that is
published now. A product feed cut in half, a photo server that was down, or a wrong model all build without an error:
only these figures show them.
"""

import datetime
from collections.abc import Iterator
from dataclasses import dataclass

from artifacts.canaries import LEAST_MEAN_OVERLAP, canary_overlaps
from artifacts.errors import ArtifactError
from artifacts.gate import GateCheck, GateDecision, Outcome, add_decision, failures_of
from artifacts.index_version import Manifest, ModelIdentity, PhotoCounts, read_manifest
from artifacts.store import Store
from index_builder.core.errors import VerificationError
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
    """

    version: str
    published: str | None
    compared_with: str | None
    fault: str | None
    objections: tuple[str, ...]
    checks: tuple[GateCheck, ...]

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
    checks = [*_figures(manifest, before, limits)] if manifest else []
    if verified:
        checks.append(_at_least(LEAST_MEAN_OVERLAP, "answers to its canary queries", verified.canary_overlap))
        if before:
            checks.extend(_compare_answers(verified, before, limits))
    return Examination(version, published, before.version if before else None, fault, tuple(objections), tuple(checks))


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
    if manifest.base is not None and published not in (None, manifest.version, *_bases(store, manifest)):
        yield (
            f"it was made from version {manifest.base}, but {published} is published, and what {published} changed "
            f"would be lost (`update` gives the same changes to {published})"
        )


def _bases(store: Store, manifest: Manifest | None) -> list[str]:
    """Return the version that this one was made from, the one that that one was made from, and so on."""
    found = list[str]()
    while manifest and manifest.base is not None and manifest.base not in found:
        found.append(manifest.base)
        manifest = _manifest_or_none(store, manifest.base)
    return found


def _figures(manifest: Manifest, before: Manifest | None, limits: GateLimits) -> Iterator[GateCheck]:
    """Yield the checks that need the manifest alone."""
    index = manifest.index
    target = index.target_recall if limits.least_recall is None else limits.least_recall
    yield _at_least(target, "recall@100", index.recall_at_100)
    share = _share_without_photo(manifest.photos)
    if share is not None:
        yield _at_most(limits.most_without_photo, "the share of products without a photo", share)
    share_before = _share_without_photo(before.photos) if before else None
    if share is not None and share_before is not None:
        rise = share - share_before
        yield _at_most(limits.most_photo_rise, "the rise of that share against the published version", rise)
    if before and before.count:
        drop = 1 - manifest.count / before.count
        yield _at_most(limits.most_product_drop, "the share of products lost", drop)


def _compare_answers(verified: VerifiedVersion, before: Manifest, limits: GateLimits) -> Iterator[GateCheck]:
    canaries = [canary for canary in before.canaries if canary.product_ids]
    if canaries and _same_model(verified.manifest.model, before.model):
        overlaps = canary_overlaps(canaries, verified.search)
        mean = sum(overlaps) / len(overlaps)
        yield _at_least(limits.least_canary_overlap, "the overlap with the published version's answers", mean)


def _same_model(one: ModelIdentity, other: ModelIdentity) -> bool:
    """Return whether both models give the same vectors; names and metrics may differ."""
    sides = [(model.query_fingerprint, model.product_fingerprint) for model in (one, other)]
    return sides[0] == sides[1]


def _share_without_photo(photos: PhotoCounts) -> float | None:
    """Return the share of products without a usable photo; None for a model that reads no photos."""
    without = photos.absent + sum(photos.unusable.values())
    return without / (photos.usable + without) if photos.usable + without else None


def _at_least(limit: float, name: str, figure: float) -> GateCheck:
    return GateCheck(name=name, figure=figure, bound="at least", limit=limit)


def _at_most(limit: float, name: str, figure: float) -> GateCheck:
    return GateCheck(name=name, figure=figure, bound="at most", limit=limit)
