"""Index files: written whole or not at all, read only when their checksum is right.

FAISS loads a file with a flipped bit without a word and answers from it. So the size and the SHA-256 that
were noted when the file was written are compared before FAISS sees it.
"""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import faiss

from .errors import IndexFileError, IndexSpecError
from .index import VectorIndex

# What one array inside a file may claim to take; beyond is a damaged or hostile file. A billion vectors of
# 256 half-precision numbers in a single list take half of it.
_MAX_ARRAY_BYTES = 1 << 40
# What one loop inside a file may claim to run, such as over its inverted lists.
_MAX_LOOP_STEPS = 1 << 30


@dataclass(frozen=True)
class IndexFile:
    """What must be known of an index file to trust it later.

    Attributes:
        sha256: Of the whole file, 64 lowercase hexadecimal digits.
        size_bytes: Of the file.
    """

    sha256: str
    size_bytes: int


def write_index(index: VectorIndex, path: Path | str) -> IndexFile:
    """Write an index so that the path holds either the whole file or what it held before.

    Args:
        index: On CPU or GPU; of one on the GPU, the CPU copy is written.
        path: Where to; the folder must exist.

    Returns:
        Checksum and size to hand to `read_index`.

    Raises:
        IndexFileError: The file could not be written.
    """
    path = Path(path)
    try:
        with _replacing(path) as temporary:
            faiss.write_index(index.faiss_index, str(temporary))
            file = _checksum(temporary)
    except (OSError, RuntimeError) as exc:
        raise IndexFileError(f"{path}: could not write the index: {exc}") from exc
    return file


def read_index(path: Path | str, sha256: str, size_bytes: int) -> VectorIndex:
    """The index of a file that is exactly as it was written.

    Args:
        path: The file.
        sha256: What `write_index` returned.
        size_bytes: Likewise.

    Raises:
        IndexFileError: No such file, another size or checksum, or not an index that can be searched here.
    """
    path = Path(path)
    _verify(path, IndexFile(sha256, size_bytes))
    _limit_deserialization()
    try:
        return VectorIndex(faiss.read_index(str(path)), index_bytes=size_bytes)
    except (RuntimeError, IndexSpecError) as exc:
        raise IndexFileError(f"{path}: not an index that can be read here; build it again: {exc}") from exc


def _verify(path: Path, expected: IndexFile) -> None:
    try:
        size_bytes = path.stat().st_size
        if size_bytes != expected.size_bytes:
            raise IndexFileError(
                f"{path}: expected {expected.size_bytes} bytes, got {size_bytes}; the file is damaged, copy it again"
            )
        got = _checksum(path)
    except OSError as exc:
        raise IndexFileError(
            f"{path}: could not read the index: {exc.strerror}; restore it, or build it again"
        ) from exc
    if got.sha256 != expected.sha256:
        raise IndexFileError(
            f"{path}: expected SHA-256 {expected.sha256}, got {got.sha256}; the file is damaged, copy it again"
        )


def _checksum(path: Path) -> IndexFile:
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256")
        return IndexFile(digest.hexdigest(), stream.tell())


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A temporary file in the same folder that takes the path's place unless an error comes first."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        _flush(temporary)
        temporary.replace(path)
        _flush(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@cache
def _limit_deserialization() -> None:
    faiss.set_deserialization_vector_byte_limit(_MAX_ARRAY_BYTES)
    faiss.set_deserialization_loop_limit(_MAX_LOOP_STEPS)
