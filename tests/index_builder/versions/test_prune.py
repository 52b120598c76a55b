"""Which versions go: the oldest, but never the published one or the one before it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from artifacts.errors import DamagedError
from artifacts.manifest import read_manifest
from artifacts.store import Publication, Store
from index_builder.cli.output import describe_pruning
from index_builder.core.errors import OptionError
from index_builder.versions.prune import prune_store

DAYS = {"v1": "2026-11-05", "v2": "2026-11-01", "v3": "2026-11-04", "v4": "2026-11-03", "v5": "2026-11-02"}
BY_AGE = ["v2", "v5", "v4", "v3", "v1"]  # oldest first, by their days


@pytest.fixture
def dated(tmp_path: Path, store: Path, rewrite_manifest: Callable[..., None]) -> Store:
    """Five versions of an older release, whose names are not in the order of their age."""
    dated = Store(tmp_path / "dated")
    for version, day in DAYS.items():
        with dated.new_version(version) as folder:
            for name in ("manifest.json", "products.parquet"):
                (folder / name).write_bytes((store / "versions" / "flat" / name).read_bytes())
            rewrite_manifest(folder, version=version, created_at=f"{day}T12:00:00+00:00")
        rewrite_manifest(dated.version_path(version), sequence=None)
    return dated


def _size(store: Store, version: str) -> int:
    return sum(path.stat().st_size for path in store.version_path(version).rglob("*"))


@pytest.mark.parametrize("keep", [1, 2, 3, 4, 5, 6])
def test_the_oldest_go(dated: Store, keep: int) -> None:
    sizes = {version: _size(dated, version) for version in DAYS}
    pruning = prune_store(dated, keep)
    gone = BY_AGE[:-keep] if keep < 5 else []
    assert [(removal.name, removal.freed_bytes) for removal in pruning.versions] == [(v, sizes[v]) for v in gone]
    assert pruning.freed_bytes == sum(sizes[version] for version in gone)
    assert dated.version_ids() == sorted(set(DAYS) - set(gone))


def test_the_published_version_and_the_one_before_it_stay_though_they_are_old(dated: Store) -> None:
    for version in ("v4", "v5", "v2"):
        dated.publish(version)
    assert [removal.name for removal in prune_store(dated, 1).versions] == ["v4", "v3"]
    assert dated.version_ids() == ["v1", "v2", "v5"]
    assert dated.publication() == Publication("v2", ("v5",))


def test_leftovers_count_among_what_was_freed(dated: Store) -> None:
    (dated.path / ".removed").mkdir()
    (dated.path / ".removed" / "half").write_bytes(bytes(1234))
    pruning = prune_store(dated, 5)
    assert [removal.name for removal in pruning.unused] == [".removed/half"]
    assert pruning.freed_bytes == 1234


def test_a_version_without_a_readable_manifest_stays_and_is_told(dated: Store) -> None:
    for version in ("v1", "v5"):
        (dated.version_path(version) / "manifest.json").write_text("{")
    pruning = prune_store(dated, 1)
    assert [removal.name for removal in pruning.versions] == ["v2", "v4"]
    assert pruning.unreadable == ("v1", "v5")
    assert describe_pruning(pruning).splitlines()[-2:] == [
        "kept version v5: its manifest cannot be read; see `list`, and remove its folder if it is of no use",
        f"{pruning.freed_bytes / 1e6:.1f} MB freed",
    ]


@pytest.mark.parametrize("created_at", ["1970-01-01T00:00:00+00:00", "2099-01-01T00:00:00+00:00", "never"])
def test_the_newest_stays_whatever_the_clock_said_when_it_was_built(
    dated: Store, store: Path, rewrite_manifest: Callable[..., None], created_at: str
) -> None:
    """The two newest, with numbers, are of machines with other clocks; the first of them is in the future."""
    for version, date in (("new1", "2077-01-01T00:00:00+00:00"), ("new0", created_at)):
        with dated.new_version(version) as folder:
            for name in ("manifest.json", "products.parquet"):
                (folder / name).write_bytes((store / "versions" / "flat" / name).read_bytes())
            rewrite_manifest(folder, version=version, created_at=date)
    assert [read_manifest(dated.version_path(version)).sequence for version in ("new1", "new0")] == [1, 2]
    assert [removal.name for removal in prune_store(dated, 2).versions] == BY_AGE
    assert [removal.name for removal in prune_store(dated, 1).versions] == ["new1"]
    assert dated.version_ids() == ["new0"]


def test_ages_with_and_without_a_time_zone_are_compared(dated: Store, rewrite_manifest: Callable[..., None]) -> None:
    rewrite_manifest(dated.version_path("v1"), created_at="2026-10-01T00:00:00")
    assert read_manifest(dated.version_path("v1")).created_at == "2026-10-01T00:00:00"
    assert [removal.name for removal in prune_store(dated, 4).versions] == ["v1"]


def test_nothing_is_pruned_where_current_cannot_be_read(dated: Store) -> None:
    (dated.path / "CURRENT").write_text("{")
    with pytest.raises(DamagedError, match="CURRENT is not readable"):
        prune_store(dated, 1)
    assert dated.version_ids() == sorted(DAYS)


def test_one_version_is_kept_at_least(dated: Store) -> None:
    with pytest.raises(OptionError) as caught:
        prune_store(dated, 0)
    assert str(caught.value) == "keep: expected at least 1, got 0"
    assert dated.version_ids() == sorted(DAYS)
