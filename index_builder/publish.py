"""Which version the service loads: only one that is whole and finds enough becomes the current one."""

from artifacts.errors import StoreError
from artifacts.index_version import IndexDescription
from artifacts.store import Publication, Store
from index_builder.errors import RecallGateError
from index_builder.verify import verify_version


def current_version(store: Store) -> str:
    """Id of the published version.

    Raises:
        StoreError: nothing is published.
        DamagedError: CURRENT is not readable.
    """
    current = store.publication().current
    if current is None:
        raise StoreError(f"{store.path} has no published version; name one with --version, or publish one")
    return current


def publish_version(store: Store, version: str) -> Publication:
    """Verify a version and make it the current one. Otherwise CURRENT stays as it was.

    Raises:
        StoreError: the store has no such version.
        VerificationError: it is damaged or does not find what its builder found.
        RecallGateError: it misses the recall that it was built for.
    """
    check_recall(version, verify_version(store, version).manifest.index)
    return store.publish(version)


def check_recall(version: str, index: IndexDescription) -> None:
    """The gate: a version that misses its target recall is not published.

    Raises:
        RecallGateError: it misses it.
    """
    if not index.reached_target:
        raise RecallGateError(
            f"version {version} reaches recall@100 {index.recall_at_100:.4f}, below its target "
            f"{index.target_recall:g}, and is not published; build with another --index, or with a lower "
            "--target-recall if that is enough"
        )


def rollback_version(store: Store) -> Publication:
    """Verify the version published before this one and make it the current one again.

    Raises:
        StoreError: there is none, or it was removed.
        DamagedError: CURRENT is not readable.
        VerificationError: it is damaged; CURRENT stays as it was.
    """
    previous = store.publication().previous
    if previous:
        verify_version(store, previous[0])
    return store.rollback()
