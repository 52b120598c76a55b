"""Cache on disk for the vectors of frozen towers, which are encoded once per data set.

The key of an entry is the tower's fingerprint and a digest of the encoded content. Entries are verified when they are
read; a damaged entry counts as absent and is written again.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np

from artifacts.checksummed_file import read_checksummed, write_checksummed
from towers.query_encoder import Vectors


@dataclass(frozen=True)
class VectorCache:
    """A folder of cached vectors."""

    folder: Path

    def get(self, fingerprint: str, content: str, encode: Callable[[], Vectors]) -> Vectors:
        """Return the vectors of a tower for some content from the cache, or encode and cache them.

        Args:
            fingerprint: fingerprint of the tower; see `tower_fingerprint`.
            content: digest of the content; see `digest_texts`.
            encode: computes the vectors, shape (n, d) float32.
        """
        path = self.folder / f"{fingerprint[:20]}-{content[:20]}.vectors"
        vectors = _read(path)
        if vectors is None:
            vectors = encode()
            _write(path, vectors)
        return vectors


def digest_texts(texts: Iterable[str | None]) -> str:
    """Return a SHA-256 over a sequence of texts that depends on their order and boundaries."""
    digest = hashlib.sha256()
    for text in texts:
        encoded = b"" if text is None else text.encode()
        digest.update(f"{-1 if text is None else len(encoded)}:".encode())
        digest.update(encoded)
    return digest.hexdigest()


def _write(path: Path, vectors: Vectors) -> None:
    buffer = BytesIO()
    np.save(buffer, vectors, allow_pickle=False)
    write_checksummed(path, buffer.getvalue())


def _read(path: Path) -> Vectors | None:
    content = read_checksummed(path)
    if content is None:
        return None
    vectors: Vectors = np.load(BytesIO(content), allow_pickle=False)
    return vectors
