"""The table of a store's versions."""

import shutil
from pathlib import Path

from artifacts.gate import GateCheck, GateDecision, Outcome, add_decision, gate_path
from artifacts.manifest import read_manifest
from artifacts.store import Store
from index_builder.versions.listing import ListedVersion, StoreListing, format_listing, list_versions


def _row(text: str, version: str) -> list[str]:
    rows = [line for line in text.splitlines() if " was " not in line and " is damaged: " not in line]
    (line,) = [line for line in rows if version in line.split()[:2]]
    return line.split()


def test_each_version_has_its_line(store: Path) -> None:
    Store(store).publish("flat")
    Store(store).publish("ivf")
    text = format_listing(list_versions(Store(store)))
    header, *rows = text.splitlines()
    assert header.split() == ["version", "created", "model", "fingerprint", "products", "index", "recall@100", "gate"]
    assert len(rows) == 3
    manifest = read_manifest(store / "versions" / "flat")
    fingerprint = manifest.model.fingerprint[:12]
    few = ["(120", "held-out", "queries)"]
    reported = ["flat", manifest.created_at, "tiny-1", fingerprint, "300", "Flat", "1.0000", *few]
    assert _row(text, "flat") == ["previous", *reported]
    assert _row(text, "ivf")[:2] == ["current", "ivf"]
    low = read_manifest(store / "versions" / "low").index.recall_at_100
    assert _row(text, "low")[0] == "low"
    assert _row(text, "low")[-6:] == [f"{low:.4f}", "(below", "0.999,", "120", *few[1:]]


def test_columns_are_aligned(store: Path) -> None:
    lines = format_listing(list_versions(Store(store))).splitlines()
    for name in ("created", "model", "fingerprint", "index"):
        start = lines[0].index(f" {name}") + 1
        assert all(line[start - 1] == " " and line[start] != " " for line in lines[1:])


def test_a_damaged_manifest_is_listed_as_damaged(store: Path) -> None:
    Store(store).publish("ivf")
    (store / "versions" / "ivf" / "manifest.json").write_text("{")
    shutil.rmtree(store / "versions" / "low")
    (store / "versions" / "low").mkdir()
    listing = list_versions(Store(store))
    assert [listed.manifest is None for listed in listing.versions] == [False, True, True]
    text = format_listing(listing)
    assert _row(text, "ivf") == ["current", "ivf", "damaged"]
    assert _row(text, "low") == ["low", "damaged"]
    ivf, low = text.splitlines()[-2:]
    assert ivf.startswith("ivf is damaged: ") and "manifest.json is not readable JSON" in ivf
    assert low.startswith("low is damaged: ") and "has no manifest.json" in low


def test_only_the_version_a_rollback_goes_to_is_previous(store: Path) -> None:
    for version in ("low", "ivf", "flat"):
        Store(store).publish(version)
    published = {listed.version: listed.publication for listed in list_versions(Store(store)).versions}
    assert published == {"flat": "current", "ivf": "previous", "low": ""}


def test_a_store_without_versions(tmp_path: Path) -> None:
    assert list_versions(Store(tmp_path)) == StoreListing(())
    assert format_listing(StoreListing(())) == "no versions"


def test_an_unreadable_current_is_told(store: Path) -> None:
    (store / "CURRENT").write_text("{")
    listing = list_versions(Store(store))
    assert [listed.publication for listed in listing.versions] == ["", "", ""]
    assert "CURRENT is not readable" in format_listing(listing).splitlines()[-1]


def test_a_current_version_that_is_gone_is_told(store: Path) -> None:
    Store(store).publish("ivf")
    shutil.rmtree(store / "versions" / "ivf")
    listing = list_versions(Store(store))
    assert format_listing(listing).splitlines()[-1] == (
        "CURRENT names ivf, which is not there; publish another version"
    )


def test_folders_in_the_making_are_no_versions(store: Path) -> None:
    (store / "versions" / ".new.x7d").mkdir()
    assert [listed.version for listed in list_versions(Store(store)).versions] == ["flat", "ivf", "low"]


def test_a_listed_version_by_hand() -> None:
    listing = StoreListing((ListedVersion("v1", "current", None, "it is gone"),), "and more")
    assert format_listing(listing).splitlines()[1:] == [
        "current  v1       damaged",
        "v1 is damaged: it is gone",
        "and more",
    ]


def _decision(outcome: Outcome, fault: str | None = None, reason: str | None = None) -> GateDecision:
    check = GateCheck(name="recall@100", figure=0.93, bound="at least", limit=0.93 if outcome == "passed" else 0.99)
    return GateDecision(
        decided_at="2026-11-21T00:00:00+00:00",
        outcome=outcome,
        compared_with=None,
        fault=fault,
        checks=(check,),
        reason=reason,
    )


def test_the_latest_decision_of_the_gate_marks_a_version(store: Path) -> None:
    add_decision(Store(store), "flat", _decision("passed"))
    add_decision(Store(store), "ivf", _decision("refused"))
    add_decision(Store(store), "ivf", _decision("forced", reason="the shop opens at nine"))
    add_decision(Store(store), "low", _decision("refused", fault="it is cut"))
    text = format_listing(list_versions(Store(store)))
    assert [_row(text, version)[-1] for version in ("flat", "ivf", "low")] == ["passed", "forced", "refused"]
    assert text.splitlines()[-2:] == [
        "ivf was forced at 2026-11-21T00:00:00+00:00 (the shop opens at nine) although recall@100 is 0.93, "
        "expected at least 0.99",
        "low was refused at 2026-11-21T00:00:00+00:00: it is cut; recall@100 is 0.93, expected at least 0.99",
    ]


def test_a_damaged_record_of_the_gate_is_told(store: Path) -> None:
    add_decision(Store(store), "ivf", _decision("passed"))
    gate_path(Store(store), "ivf").write_text("{")
    text = format_listing(list_versions(Store(store)))
    assert text.splitlines()[-1].startswith("the gate's record of ivf is damaged: ")
    assert _row(text, "ivf")[:2] == ["ivf", read_manifest(store / "versions" / "ivf").created_at]
