"""Files that carry their own checksum: caches and work in progress, which are made again where they are damaged.

Their content stands behind its SHA-256. What others must be able to read has its checksum in a record instead
(artifacts/checksums.py).
"""

import hashlib
from pathlib import Path

from artifacts.atomic import replace_file

_DIGEST_BYTES = 32


def write_sealed(path: Path, content: bytes) -> None:
    """Write a file atomically, its checksum first; the folder is made where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, hashlib.sha256(content).digest() + content)


def read_sealed(path: Path) -> bytes | None:
    """The content of a sealed file, or None where there is none, or a damaged one."""
    if not path.is_file():
        return None
    sealed = path.read_bytes()
    digest, content = sealed[:_DIGEST_BYTES], sealed[_DIGEST_BYTES:]
    return content if hashlib.sha256(content).digest() == digest else None
