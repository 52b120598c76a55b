"""CURRENT moves only to versions that are sound and find enough, and otherwise stays where it was."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from artifacts.errors import StoreError
from artifacts.index_version import read_manifest
from artifacts.store import Publication, Store
from index_builder.errors import RecallGateError, VerificationError
from index_builder.publish import check_recall, current_version, publish_version, rollback_version


def _spoil(version: Path) -> None:
    path = version / "index.faiss"
    path.write_bytes(path.read_bytes()[:-1] + b"\x55")


def test_publishing_and_going_back(store: Path) -> None:
    assert publish_version(Store(store), "flat") == Publication("flat")
    assert publish_version(Store(store), "ivf") == Publication("ivf", ("flat",))
    assert current_version(Store(store)) == "ivf"
    assert rollback_version(Store(store)) == Publication("flat")
    assert current_version(Store(store)) == "flat"


def test_a_damaged_version_is_not_published(store: Path) -> None:
    publish_version(Store(store), "flat")
    _spoil(store / "versions" / "ivf")
    with pytest.raises(VerificationError, match=r"index\.faiss does not have the SHA-256"):
        publish_version(Store(store), "ivf")
    assert Store(store).publication() == Publication("flat")


def test_a_version_below_its_target_is_not_published(store: Path, reseal: Callable[..., None]) -> None:
    # "low" finds so little that its canaries fail too; the gate must hold by itself.
    version = store / "versions" / "ivf"
    missed = {"reached_target": False, "recall_at_100": 0.93}
    reseal(version, index=read_manifest(version).index.model_copy(update=missed))
    publish_version(Store(store), "flat")
    message = "version ivf reaches recall@100 0.9300, below its target 0.99, and is not published"
    with pytest.raises(RecallGateError, match=re.escape(message)):
        publish_version(Store(store), "ivf")
    assert Store(store).publication() == Publication("flat")


def test_the_gate_goes_by_what_was_measured(store: Path) -> None:
    low = read_manifest(store / "versions" / "low").index
    assert low.recall_at_100 < 0.999
    with pytest.raises(RecallGateError, match=r"below its target 0\.999"):
        check_recall("low", low)
    check_recall("ivf", read_manifest(store / "versions" / "ivf").index)


def test_an_unknown_version_is_not_published(store: Path) -> None:
    with pytest.raises(StoreError, match="has no version 'none'"):
        publish_version(Store(store), "none")
    assert Store(store).publication() == Publication(None)


def test_there_is_nothing_to_go_back_to(store: Path) -> None:
    publish_version(Store(store), "flat")
    with pytest.raises(StoreError, match="no earlier publication to roll back to"):
        rollback_version(Store(store))
    assert Store(store).publication() == Publication("flat")


def test_going_back_to_a_damaged_version_is_refused(store: Path) -> None:
    publish_version(Store(store), "ivf")
    publish_version(Store(store), "flat")
    _spoil(store / "versions" / "ivf")
    with pytest.raises(VerificationError, match=r"index\.faiss does not have the SHA-256"):
        rollback_version(Store(store))
    assert Store(store).publication() == Publication("flat", ("ivf",))


def test_nothing_is_current_in_a_new_store(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="has no published version; name one with --version"):
        current_version(Store(tmp_path))
