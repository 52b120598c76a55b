"""Files that carry their own checksum: caches and work in progress, which are made again when they are damaged.

Such a file is the SHA-256 of its content (32 bytes) followed by the content. Files that other programs must be able
to read are stored as they are, with their checksums in a record beside them (artifacts/checksums.py).
"""

import hashlib
from pathlib import Path

from artifacts.atomic import replace_file

_DIGEST_BYTES = 32


def write_checksummed(path: Path, content: bytes) -> None:
    """Write checksum and content atomically; create the folder if it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, hashlib.sha256(content).digest() + content)


def read_checksummed(path: Path) -> bytes | None:
    """Return the content of a file, or None if the file is missing or damaged."""
    if not path.is_file():
        return None
    stored = path.read_bytes()
    digest, content = stored[:_DIGEST_BYTES], stored[_DIGEST_BYTES:]
    return content if hashlib.sha256(content).digest() == digest else None
