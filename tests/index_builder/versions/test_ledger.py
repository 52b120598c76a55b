"""The ledger of photos that could not be used: what a version says, and as a table."""

import datetime
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from artifacts.catalog import read_catalog
from artifacts.errors import DamagedError, FormatError, StoreError
from artifacts.index_version import FAILURES_FILE
from artifacts.manifest import PhotoCounts, read_manifest
from artifacts.store import Store
from index_builder.core.errors import LedgerError
from index_builder.core.failed_photo import FailedPhoto
from index_builder.versions.ledger import (
    FAILURE_COLUMNS,
    format_failures,
    read_failures,
    version_failures,
    write_failures,
)

NOON = datetime.datetime(2026, 11, 21, 12, 0, 0, 250_000, tzinfo=datetime.UTC)


def failure(product_id: str, reason: str = "missing", attempts: int = 1, image: str = "x.png") -> FailedPhoto:
    return FailedPhoto(product_id, image, reason, attempts, NOON)


A, B, C = failure("a"), failure("b", "status-404", image="https://shop.example/b"), failure("c", "timeout", 4)


@pytest.mark.parametrize("failures", [[], [A], [C, A, B]])
def test_what_is_written_is_read(tmp_path: Path, failures: list[FailedPhoto]) -> None:
    path = tmp_path / "failures.parquet"
    write_failures(path, failures)
    assert read_failures(path) == failures
    assert {field.name: field.type for field in pq.read_schema(path)} == FAILURE_COLUMNS


def test_a_ledger_of_later_builders_is_read(tmp_path: Path) -> None:
    write_failures(tmp_path / "x", [A])
    pq.write_table(pq.read_table(tmp_path / "x").append_column("detail", pa.array(["..."])), tmp_path / "x")
    assert read_failures(tmp_path / "x") == [A]
    pq.write_table(pq.read_table(tmp_path / "x").drop_columns(["reason"]), tmp_path / "x")
    with pytest.raises(FormatError, match="lacks the column reason"):
        read_failures(tmp_path / "x")


def test_a_version_names_exactly_what_failed(store: Path, catalog: Path) -> None:
    products = read_catalog(catalog)
    found = version_failures(Store(store), "flat")
    expected = [(3, "missing"), (5, "unreadable"), (7, "outside"), (13, "address-refused")]
    named = [(products.product_ids[row], products.images[row], reason, 1) for row, reason in expected]
    assert [(entry.product_id, entry.image, entry.reason, entry.attempts) for entry in found] == named
    now = datetime.datetime.now(datetime.UTC)
    assert all(now - datetime.timedelta(hours=1) < entry.tried_at <= now for entry in found)
    unusable = read_manifest(store / "versions" / "flat").photos.unusable
    assert Counter(entry.reason for entry in found) == unusable


def test_a_damaged_ledger_is_not_believed(store: Path) -> None:
    (store / "versions" / "flat" / FAILURES_FILE).write_bytes(b"PAR1")
    with pytest.raises(DamagedError, match=r"failures\.parquet has 4 bytes"):
        version_failures(Store(store), "flat")
    with pytest.raises(StoreError, match="has no version 'none'"):
        version_failures(Store(store), "none")


def test_a_version_of_the_first_builders_has_no_ledger(store: Path, rewrite_manifest: Callable[..., None]) -> None:
    (store / "versions" / "flat" / FAILURES_FILE).unlink()
    rewrite_manifest(store / "versions" / "flat")
    with pytest.raises(LedgerError, match="has no ledger of failures, since an older release of Vitrine built it"):
        version_failures(Store(store), "flat")


def test_a_ledger_that_does_not_fit_is_told(store: Path, rewrite_manifest: Callable[..., None]) -> None:
    rewrite_manifest(store / "versions" / "flat", photos=PhotoCounts(usable=297, absent=2, unusable={"missing": 1}))
    with pytest.raises(LedgerError, match="lists other photos than the manifest counts; build the version again"):
        version_failures(Store(store), "flat")


def test_a_ledger_as_a_table() -> None:
    longer = failure("product-9", "missing", image="a long/path.png")
    assert format_failures([A, C, longer]).splitlines() == [
        "product_id  reason   attempts  tried at              image",
        "a           missing  1         2026-11-21T12:00:00Z  x.png",
        "c           timeout  4         2026-11-21T12:00:00Z  x.png",
        "product-9   missing  1         2026-11-21T12:00:00Z  a long/path.png",
        "3 photos could not be used: 2 missing, 1 timeout",
    ]
    assert format_failures([]) == "every photo that the catalogue names was usable"


def test_a_feed_cannot_write_to_the_terminal() -> None:
    lines = format_failures([failure("a\x1b[2J", image="é\n\r\u202ex.png")]).splitlines()
    assert len(lines) == 3
    assert lines[1].startswith(r"a\x1b[2J    missing")
    assert lines[1].endswith(r"é\n\r\u202ex.png")
