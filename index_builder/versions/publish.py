"""Publishes versions: only one that passed the gate becomes the current one, or one that is forced."""

from artifacts.errors import StoreError
from artifacts.gate import add_decision
from artifacts.store import Publication, Store
from index_builder.core.errors import GateError, OptionError
from index_builder.versions.gate import Examination, examine_version
from index_builder.versions.gate_limits import GateLimits
from index_builder.versions.verify import verify_version


def current_version(store: Store, option: str = "--version") -> str:
    """Return the id of the published version.

    Args:
        store: the store.
        option: the option of the command that names another one, for the error.

    Raises:
        StoreError: nothing is published.
        DamagedError: CURRENT is not readable.
    """
    current = store.publication().current
    if current is None:
        raise StoreError(f"{store.path} has no published version; name one with {option}, or publish one")
    return current


def publish_version(
    store: Store, version: str, limits: GateLimits | None = None, reason: str | None = None
) -> Publication:
    """Run the gate over a version, record its decision, and make the version the current one if it passed.

    Args:
        store: store of the version.
        version: id of the version.
        limits: limits of the gate; None for the defaults.
        reason: why it is published although checks fail; None not to force it. A version that cannot be loaded is
            refused all the same, as a service would refuse it.

    Raises:
        StoreError: the store has no such version, or another version was published meanwhile.
        OptionError: the reason is empty.
        GateError: a check failed; CURRENT stays as it was, and the decision is recorded.
    """
    if reason is not None and not reason.strip():
        raise OptionError("reason: expected why the version is published all the same, got nothing")
    return record_and_publish(store, examine_version(store, version, limits or GateLimits()), reason)


def record_and_publish(store: Store, examination: Examination, reason: str | None = None) -> Publication:
    """Record the decision of the gate and publish the version, or refuse it; see `publish_version`."""
    version, failures = examination.version, examination.failures
    with store.locked() as held:
        _check_unchanged(held, examination)
        if failures and (examination.fault or reason is None):
            add_decision(held, version, examination.decide("refused"))
            raise GateError(_describe_refusal(examination))
        # The decision is recorded first: a kill in between leaves a forced version unpublished, never unrecorded.
        decision = examination.decide("forced", reason) if failures else examination.decide("passed")
        add_decision(held, version, decision)
        return held.publish(version)


def rollback_version(store: Store) -> Publication:
    """Verify the version that was published before the current one, and publish it again.

    The gate does not check it: a rollback is for when the current version is worse.

    Raises:
        StoreError: there is none, or it was removed, or another version was published meanwhile.
        DamagedError: CURRENT is not readable.
        VerificationError: the version is damaged; CURRENT stays as it was.
    """
    before = store.publication()
    if before.previous:
        verify_version(store, before.previous[0])
    with store.locked() as held:
        if held.publication() != before:
            raise StoreError(f"{store.path} had another publication meanwhile; look at `list`, then roll back again")
        return held.rollback()


def _check_unchanged(store: Store, examination: Examination) -> None:
    current = store.publication_if_readable().current
    if current != examination.published:
        raise StoreError(
            f"version {examination.version} was compared with {examination.published or 'nothing'}, but "
            f"{current or 'nothing'} is published by now; publish it again"
        )


def _describe_refusal(examination: Examination) -> str:
    remedy = (
        "a service could not load it, so that --force does not help; build it again"
        if examination.fault
        else "build it again, or publish it with other limits or with --force --reason TEXT"
    )
    failures = "; ".join(examination.failures)
    return f"version {examination.version} is kept, but not published: {failures}; {remedy}"
