"""CURRENT moves only to versions that are sound and find enough, and otherwise stays where it was."""

import datetime
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from artifacts.errors import StoreError
from artifacts.gate import GateDecision, read_gate_record
from artifacts.manifest import read_manifest
from artifacts.store import Publication, Store
from index_builder.core.errors import GateError, OptionError, VerificationError
from index_builder.versions.gate import examine_version
from index_builder.versions.gate_limits import GateLimits
from index_builder.versions.publish import current_version, publish_version, record_and_publish, rollback_version
from index_builder.versions.verify import VerifiedVersion, verify_version


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
    with pytest.raises(GateError, match=r"index\.faiss: expected SHA-256"):
        publish_version(Store(store), "ivf")
    assert Store(store).publication() == Publication("flat")


def _below_target(store: Path, rewrite_manifest: Callable[..., None]) -> None:
    # "low" finds so little that its canaries fail too; this one misses a limit alone.
    version = store / "versions" / "ivf"
    missed = {"reached_target": False, "recall_at_100": 0.93}
    rewrite_manifest(version, index=read_manifest(version).index.model_copy(update=missed))


def _latest(store: Path, version: str) -> GateDecision:
    record = read_gate_record(Store(store), version)
    assert record is not None
    return record.latest


def test_a_version_below_its_target_is_kept_marked_and_not_published(
    store: Path, rewrite_manifest: Callable[..., None]
) -> None:
    _below_target(store, rewrite_manifest)
    publish_version(Store(store), "flat")
    with pytest.raises(GateError) as caught:
        publish_version(Store(store), "ivf")
    assert str(caught.value) == (
        "version ivf is kept, but not published: recall@100 is 0.93, expected at least 0.99; build it again, or "
        "publish it with other limits or with --force --reason TEXT"
    )
    assert Store(store).publication() == Publication("flat")
    assert Store(store).version_ids() == ["flat", "ivf", "low"]
    assert _latest(store, "ivf").outcome == "refused"
    assert _latest(store, "flat").outcome == "passed"


def test_a_forced_version_is_published_with_its_reason_and_failures(
    store: Path, rewrite_manifest: Callable[..., None]
) -> None:
    _below_target(store, rewrite_manifest)
    publish_version(Store(store), "flat")
    assert publish_version(Store(store), "ivf", reason="better than none") == Publication("ivf", ("flat",))
    decision = _latest(store, "ivf")
    assert (decision.outcome, decision.reason, decision.compared_with) == ("forced", "better than none", "flat")
    assert decision.failures == ("recall@100 is 0.93, expected at least 0.99",)
    age = datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(decision.decided_at)
    assert abs(age) < datetime.timedelta(minutes=5)


def test_a_lower_limit_lets_it_pass(store: Path, rewrite_manifest: Callable[..., None]) -> None:
    _below_target(store, rewrite_manifest)
    assert publish_version(Store(store), "ivf", GateLimits(least_recall=0.93)) == Publication("ivf")
    assert _latest(store, "ivf").outcome == "passed"


def test_a_reason_without_need_forces_nothing(store: Path) -> None:
    publish_version(Store(store), "flat", reason="just in case")
    assert (_latest(store, "flat").outcome, _latest(store, "flat").reason) == ("passed", None)


def test_a_reason_says_something(store: Path) -> None:
    with pytest.raises(OptionError) as caught:
        publish_version(Store(store), "flat", reason=" ")
    assert str(caught.value) == "reason: expected why the version is published all the same, got nothing"
    assert Store(store).publication() == Publication(None)


def test_what_a_service_could_not_load_is_not_published_by_force(store: Path) -> None:
    publish_version(Store(store), "flat")
    _spoil(store / "versions" / "ivf")
    with pytest.raises(GateError, match=r"index\.faiss: expected SHA-256.*; a service could not load it"):
        publish_version(Store(store), "ivf", reason="I insist")
    assert Store(store).publication() == Publication("flat")
    assert _latest(store, "ivf").outcome == "refused"


def test_a_publication_that_comes_in_between_is_not_overwritten(store: Path) -> None:
    publish_version(Store(store), "flat")
    examination = examine_version(Store(store), "ivf", GateLimits())
    Store(store).publish("low")
    with pytest.raises(StoreError) as caught:
        record_and_publish(Store(store), examination)
    assert str(caught.value) == "version ivf was compared with flat, but low is published by now; publish it again"
    assert Store(store).publication() == Publication("low", ("flat",))
    assert read_gate_record(Store(store), "ivf") is None


def test_a_rollback_does_not_undo_a_publication_that_comes_in_between(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in ("flat", "ivf"):
        publish_version(Store(store), version)

    def publish_meanwhile(store: Store, version: str) -> VerifiedVersion:
        store.publish("low")
        return verify_version(store, version)

    monkeypatch.setattr("index_builder.versions.publish.verify_version", publish_meanwhile)
    with pytest.raises(StoreError, match="had another publication meanwhile"):
        rollback_version(Store(store))
    assert Store(store).publication() == Publication("low", ("ivf", "flat"))


def test_an_update_is_not_published_over_another_version_than_its_base(
    store: Path, rewrite_manifest: Callable[..., None]
) -> None:
    versions = store / "versions"
    rewrite_manifest(versions / "ivf", base="flat")
    shutil.copytree(versions / "flat", versions / "second")
    rewrite_manifest(versions / "second", version="second", base="flat")
    for version in ("flat", "second"):
        publish_version(Store(store), version)
    with pytest.raises(GateError) as caught:
        publish_version(Store(store), "ivf")
    objection = (
        "it was made from version flat, but second is published, and what second changed would be lost (`update` gives "
        "the same changes to second)"
    )
    assert objection in str(caught.value)
    assert Store(store).publication() == Publication("second", ("flat",))
    assert (_latest(store, "ivf").outcome, _latest(store, "ivf").objections) == ("refused", (objection,))
    publish_version(Store(store), "ivf", reason="second was a mistake")
    assert _latest(store, "ivf").outcome == "forced"


def test_an_update_of_an_update_of_the_published_version_loses_nothing(
    store: Path, rewrite_manifest: Callable[..., None]
) -> None:
    versions = store / "versions"
    shutil.copytree(versions / "flat", versions / "between")
    rewrite_manifest(versions / "between", version="between", base="flat")
    rewrite_manifest(versions / "ivf", base="between")
    publish_version(Store(store), "flat")
    assert publish_version(Store(store), "ivf") == Publication("ivf", ("flat",))
    assert publish_version(Store(store), "ivf") == Publication("ivf", ("flat",))


def test_an_update_by_way_of_a_removed_one_is_not_said_to_lose_changes(
    store: Path, rewrite_manifest: Callable[..., None]
) -> None:
    """Nobody can tell by then whether it does."""
    versions = store / "versions"
    rewrite_manifest(versions / "ivf", base="removed")
    Store(store).publish("flat")
    assert examine_version(Store(store), "ivf", GateLimits()).objections == (
        "it was made from version removed, but flat is published, and since version removed is gone, nobody can tell "
        "whether it has all of flat (`update` gives the same changes to flat)",
    )


def test_an_update_needs_its_base_no_more_where_nothing_is_published(
    store: Path, rewrite_manifest: Callable[..., None]
) -> None:
    rewrite_manifest(store / "versions" / "ivf", base="removed")
    assert publish_version(Store(store), "ivf") == Publication("ivf")


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
    with pytest.raises(VerificationError, match=r"index\.faiss: expected SHA-256"):
        rollback_version(Store(store))
    assert Store(store).publication() == Publication("flat", ("ivf",))


def test_nothing_is_current_in_a_new_store(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="has no published version; name one with --version"):
        current_version(Store(tmp_path))
