"""SHA-256 records of files, by which every artifact is verified before it is used."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from artifacts.errors import DamagedError


class FileRecord(BaseModel):
    """Checksum and size of a file when it was written."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str  # hexadecimal, over the whole file
    size_bytes: int


def sha256_of_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def record_file(path: Path) -> FileRecord:
    """Return the checksum and size of a file as it is now."""
    return FileRecord(sha256=sha256_of_file(path), size_bytes=path.stat().st_size)


def record_files(folder: Path, known: Mapping[str, FileRecord] | None = None) -> dict[str, FileRecord]:
    """Record every file below `folder`, by its path relative to it (with forward slashes); `known` ones as they are."""
    names = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {name: (known or {}).get(name) or record_file(path) for name, path in names.items()}


def verify_files(folder: Path, records: Mapping[str, FileRecord], *, sizes_only: bool = False) -> None:
    """Check that each recorded file has the size and the bytes that it was written with.

    Args:
        folder: the folder that names are relative to.
        records: the files by their names.
        sizes_only: read no file; its bytes are not compared then.

    Raises:
        DamagedError: a file is missing, outside the folder, or different; the message names the first one.
    """
    root = folder.resolve()
    for name, record in records.items():
        path = folder / name
        if "\0" in name or not path.resolve().is_relative_to(root):
            raise DamagedError(f"{folder} lists {name!r}, which lies outside of it; do not use this folder")
        try:
            _verify(path, record, sizes_only)
        except OSError as error:
            raise DamagedError(f"{path} cannot be read: {error.strerror}") from error


def _verify(path: Path, record: FileRecord, sizes_only: bool) -> None:
    if not path.is_file():
        raise DamagedError(f"{path} is missing; restore the folder or write it again")
    size = path.stat().st_size
    if size != record.size_bytes:
        raise DamagedError(f"{path} has {size} bytes, but {record.size_bytes} were written; it is damaged")
    if not sizes_only and sha256_of_file(path) != record.sha256:
        raise DamagedError(f"{path} does not have the SHA-256 that it was written with; it is damaged")


def fingerprint_of(records: Mapping[str, FileRecord], prefix: str = "") -> str:
    """Return a SHA-256 over the names and checksums of the recorded files whose names begin with `prefix`.

    The prefix is removed from the names, so that a folder keeps its fingerprint when it is copied elsewhere.
    """
    content = {name.removeprefix(prefix): record.sha256 for name, record in records.items() if name.startswith(prefix)}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
