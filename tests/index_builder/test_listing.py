"""The table of a store's versions."""

import shutil
from pathlib import Path

from artifacts.index_version import read_manifest
from artifacts.store import Store
from index_builder.listing import ListedVersion, StoreListing, format_listing, list_versions


def _row(text: str, version: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if version in line.split()[:2] and "is damaged:" not in line]
    return line.split()


def test_each_version_has_its_line(store: Path) -> None:
    Store(store).publish("flat")
    Store(store).publish("ivf")
    text = format_listing(list_versions(Store(store)))
    header, *rows = text.splitlines()
    assert header.split() == ["version", "created", "model", "fingerprint", "products", "index", "recall@100"]
    assert len(rows) == 3
    manifest = read_manifest(store / "versions" / "flat")
    fingerprint = manifest.model.fingerprint[:12]
    told = ["flat", manifest.created_at, "tiny-1", fingerprint, "300", "Flat", "1.0000"]
    assert _row(text, "flat") == ["previous", *told]
    assert _row(text, "ivf")[:2] == ["current", "ivf"]
    low = read_manifest(store / "versions" / "low").index.recall_at_100
    assert _row(text, "low")[0] == "low"
    assert _row(text, "low")[-3:] == [f"{low:.4f}", "(below", "0.999)"]


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
    marks = {listed.version: listed.mark for listed in list_versions(Store(store)).versions}
    assert marks == {"flat": "current", "ivf": "previous", "low": ""}


def test_a_store_without_versions(tmp_path: Path) -> None:
    assert list_versions(Store(tmp_path)) == StoreListing(())
    assert format_listing(StoreListing(())) == "no versions"


def test_an_unreadable_current_is_told(store: Path) -> None:
    (store / "CURRENT").write_text("{")
    listing = list_versions(Store(store))
    assert [listed.mark for listed in listing.versions] == ["", "", ""]
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
