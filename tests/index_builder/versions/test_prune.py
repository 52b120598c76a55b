"""Which versions go: the oldest, but never the published one or the one before it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from artifacts.errors import DamagedError
from artifacts.index_version import read_manifest
from artifacts.store import Publication, Store
from index_builder.core.errors import OptionError
from index_builder.versions.prune import prune_store

DAYS = {"v1": "2026-11-05", "v2": "2026-11-01", "v3": "2026-11-04", "v4": "2026-11-03", "v5": "2026-11-02"}
BY_AGE = ["v2", "v5", "v4", "v3", "v1"]  # oldest first


@pytest.fixture
def dated(tmp_path: Path, store: Path, rewrite_manifest: Callable[..., None]) -> Store:
    """Five versions whose names are not in the order of their age."""
    dated = Store(tmp_path / "dated")
    for version, day in DAYS.items():
        with dated.new_version(version) as folder:
            for name in ("manifest.json", "products.parquet"):
                (folder / name).write_bytes((store / "versions" / "flat" / name).read_bytes())
            rewrite_manifest(folder, version=version, created_at=f"{day}T12:00:00+00:00")
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


def test_a_version_without_a_readable_manifest_is_as_old_as_its_folder(dated: Store) -> None:
    for version, day in (("v1", 1), ("v3", 60)):  # v1 was the newest
        path = dated.version_path(version)
        (path / "manifest.json").write_text("{")
        seconds = 1_793_500_000 + day * 86_400  # from 2026-11-01 on
        os.utime(path, (seconds, seconds))
    assert [removal.name for removal in prune_store(dated, 1).versions] == ["v2", "v1", "v5", "v4"]


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
