"""Index files: replaced atomically when written, and read only when size and checksum are right.

FAISS loads a file with a flipped bit without an error and answers from it. Therefore the size and the SHA-256
that were recorded when the file was written are compared before FAISS reads it.
"""

import threading
from pathlib import Path

import faiss

from artifacts.atomic import new_file
from artifacts.checksums import FileRecord, record_file

from .errors import IndexFileError, IndexSpecError
from .index import VectorIndex

# FAISS makes tables for IVF..,PQ.. when it reads them, which may be larger than the file; only L2 distances need them.
_FLAGS = faiss.IO_FLAG_SKIP_PRECOMPUTE_TABLE
# The most steps that a loop over parts of a file, such as its inverted lists, may claim.
_MAX_LOOP_STEPS = 1 << 30
_LIMIT = "deserialization_"  # what FAISS's errors of these limits contain
_one_reads = threading.Lock()  # FAISS's limits for reading hold for the whole process


def write_index(index: VectorIndex, path: Path | str) -> FileRecord:
    """Write an index atomically: the path holds either the whole new file or what it held before.

    Args:
        index: An index on a CPU or a GPU. Of an index on a GPU, the CPU copy is written.
        path: The file to write; its folder must exist.

    Returns:
        Checksum and size of the file, to be passed to `read_index`.

    Raises:
        IndexFileError: The file could not be written.
    """
    path = Path(path)
    try:
        with new_file(path) as temporary:
            faiss.write_index(index.faiss_index, str(temporary))
            record = record_file(temporary)
    except (OSError, RuntimeError) as exc:
        raise IndexFileError(f"{path}: could not write the index: {exc}") from exc
    return record


def read_index(path: Path | str, sha256: str, size_bytes: int) -> VectorIndex:
    """Read an index from a file whose size and checksum are those that it was written with.

    Args:
        path: The file.
        sha256: SHA-256 of the whole file, 64 lowercase hexadecimal digits, as `write_index` returned it.
        size_bytes: Size of the file, as `write_index` returned it.

    Raises:
        IndexFileError: There is no such file, its size or checksum differs, or it is not an index that can be
            searched here.
    """
    path = Path(path)
    _verify(path, FileRecord(sha256=sha256, size_bytes=size_bytes))
    try:
        return VectorIndex(_read_limited(path, size_bytes), index_bytes=size_bytes)
    except (RuntimeError, MemoryError, IndexSpecError) as exc:
        if _LIMIT in str(exc):
            raise IndexFileError(
                f"{path}: a part claims more than the {size_bytes} bytes of the file; it is damaged, build it again"
            ) from exc
        raise IndexFileError(f"{path}: not an index that can be read here; build it again: {exc}") from exc


def _read_limited(path: Path, size_bytes: int) -> faiss.Index:
    """Read a file of which no array may claim more bytes, and no loop more steps, than the file has bytes."""
    with _one_reads:
        before = faiss.get_deserialization_vector_byte_limit(), faiss.get_deserialization_loop_limit()
        faiss.set_deserialization_vector_byte_limit(size_bytes)
        faiss.set_deserialization_loop_limit(min(size_bytes, _MAX_LOOP_STEPS))
        try:
            return faiss.read_index(str(path), _FLAGS)
        finally:
            faiss.set_deserialization_vector_byte_limit(before[0])
            faiss.set_deserialization_loop_limit(before[1])


def _verify(path: Path, expected: FileRecord) -> None:
    """Refuse a file of another size before its bytes are read, and one with another checksum before FAISS reads it."""
    try:
        size_bytes = path.stat().st_size
        if size_bytes != expected.size_bytes:
            raise IndexFileError(
                f"{path}: expected {expected.size_bytes} bytes, got {size_bytes}; the file is damaged, copy it again"
            )
        found = record_file(path)
    except OSError as exc:
        raise IndexFileError(
            f"{path}: could not read the index: {exc.strerror}; restore it, or build it again"
        ) from exc
    if found.sha256 != expected.sha256:
        raise IndexFileError(
            f"{path}: expected SHA-256 {expected.sha256}, got {found.sha256}; the file is damaged, copy it again"
        )
