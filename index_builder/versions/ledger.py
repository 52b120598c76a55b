"""The ledger of photos that could not be used: which, why, and when it was tried last.

A version has it as failures.parquet, in the order of its products; the counts in its manifest agree with it.
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
from artifacts.index_version import FAILURES_FILE, Manifest, read_manifest
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
    """Write a ledger, wholly or not at all."""
    table = pa.Table.from_pylist([asdict(failure) for failure in failures], schema=pa.schema(FAILURE_COLUMNS))
    sink = io.BytesIO()
    pq.write_table(table, sink)
    replace_file(path, sink.getvalue())


def read_failures(path: Path) -> list[FailedPhoto]:
    """Read a ledger.

    Raises:
        DamagedError: no file is there, or it is not Parquet.
        FormatError: a column is missing or of another type.
    """
    table = read_table(path, FAILURE_COLUMNS).select(list(FAILURE_COLUMNS))
    return [FailedPhoto(**row) for row in table.to_pylist()]


def version_failures(store: Store, version: str) -> list[FailedPhoto]:
    """The ledger of a version, its bytes verified.

    Raises:
        StoreError: the store has no such version.
        DamagedError: the version's manifest or ledger is damaged.
        LedgerError: the version has none, or one that does not fit its manifest.
    """
    path = store.version_path(version)
    manifest = read_manifest(path)
    if FAILURES_FILE not in manifest.files:
        raise LedgerError(f"version {version} has no ledger of failures: it was built before there was one")
    verify_files(path, {FAILURES_FILE: manifest.files[FAILURES_FILE]})
    return fitting_failures(path, manifest)


def fitting_failures(path: Path, manifest: Manifest) -> list[FailedPhoto]:
    """The ledger of a version whose files are verified.

    Args:
        path: folder of the version.
        manifest: of the version; it has a ledger.

    Raises:
        DamagedError: the ledger is not Parquet.
        LedgerError: it does not fit the manifest.
    """
    failures = read_failures(path / FAILURES_FILE)
    if Counter(failure.reason for failure in failures) != manifest.photos.unusable:
        raise LedgerError(
            f"{path / FAILURES_FILE} lists other photos than the manifest counts; build the version again"
        )
    return failures


def format_failures(failures: Sequence[FailedPhoto]) -> str:
    """A ledger as lines of text, columns aligned, and the numbers by reason at the end."""
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
    """Text of a feed as a terminal may show it: without what would move the cursor or colour the screen."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
