"""The ledger of a version: the photos that could not be used, why, and when each was tried last.

It is the file failures.parquet, in the order of the products; the counts in the manifest agree with it.
"""

import datetime
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from artifacts.atomic import replace_file
from artifacts.checksums import verify_files
from artifacts.columns import align_columns
from artifacts.index_version import FAILURES_FILE
from artifacts.manifest import Manifest, read_manifest
from artifacts.store import Store
from artifacts.tables import read_table
from index_builder.core.errors import LedgerError
from index_builder.core.failed_photo import FailedPhoto

FAILURE_COLUMNS: dict[str, pa.DataType] = {
    "product_id": pa.string(),
    "image": pa.string(),
    "reason": pa.string(),
    "attempts": pa.int32(),
    "tried_at": pa.timestamp("ms", tz="UTC"),
}
_HEADER = ("product_id", "reason", "attempts", "tried at", "image")


def write_failures(path: Path, failures: Sequence[FailedPhoto]) -> None:
    """Write a ledger atomically."""
    table = pa.Table.from_pylist([asdict(failure) for failure in failures], schema=pa.schema(FAILURE_COLUMNS))
    sink = io.BytesIO()
    pq.write_table(table, sink)
    replace_file(path, sink.getvalue())


def read_failures(path: Path) -> list[FailedPhoto]:
    """Read a ledger.

    Raises:
        DamagedError: the file is missing, or not Parquet.
        FormatError: a column is missing or of another type.
    """
    table = read_table(path, FAILURE_COLUMNS).select(list(FAILURE_COLUMNS))
    return [FailedPhoto(**row) for row in table.to_pylist()]


def version_failures(store: Store, version: str) -> list[FailedPhoto]:
    """Verify and read the ledger of a version.

    Raises:
        StoreError: the store has no such version.
        DamagedError: the version's manifest or ledger is damaged.
        LedgerError: the version has no ledger, or one that does not fit its manifest.
    """
    path = store.version_path(version)
    manifest = read_manifest(path)
    if FAILURES_FILE not in manifest.files:
        raise LedgerError(
            f"version {version} has no ledger of failures, since an older release of Vitrine built it; build it again"
        )
    verify_files(path, {FAILURES_FILE: manifest.files[FAILURES_FILE]})
    return read_fitting_failures(path, manifest)


def read_fitting_failures(path: Path, manifest: Manifest) -> list[FailedPhoto]:
    """Read the ledger of a version whose files are verified, and compare it with the manifest.

    Args:
        path: folder of the version, which has a ledger.
        manifest: manifest of the version.

    Raises:
        DamagedError: the ledger is not Parquet.
        LedgerError: the ledger does not fit the manifest.
    """
    failures = read_failures(path / FAILURES_FILE)
    counted = Counter(manifest.photos.unusable) + Counter(manifest.photos.further_unusable)
    if Counter(failure.reason for failure in failures) != counted:
        raise LedgerError(
            f"{path / FAILURES_FILE} lists other photos than the manifest counts; build the version again"
        )
    return failures


def format_failures(failures: Sequence[FailedPhoto]) -> str:
    """Return a ledger as lines of text with aligned columns, and the numbers by reason at the end."""
    if not failures:
        return "every photo that the catalogue names was usable"
    rows = [_HEADER, *(_cells(failure) for failure in failures)]
    lines = align_columns(rows, right=())
    reasons = Counter(failure.reason for failure in failures).most_common()
    named = ", ".join(f"{count:,} {reason}" for reason, count in reasons)
    return "\n".join([*lines, f"{len(failures):,} photos could not be used: {named}"])


def _cells(failure: FailedPhoto) -> tuple[str, ...]:
    tried_at = f"{failure.tried_at.astimezone(datetime.UTC):%Y-%m-%dT%H:%M:%SZ}"
    return (
        _printable(failure.product_id),
        failure.reason,
        str(failure.attempts),
        tried_at,
        _printable(failure.image),
    )


def _printable(text: str) -> str:
    """Escape the characters of a feed's text that would move the cursor or colour the screen."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
