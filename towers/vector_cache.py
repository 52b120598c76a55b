"""Vectors of frozen towers, encoded once per data set and kept on disk.

An entry is keyed by the tower's fingerprint and by the content that was encoded. It is verified when it
is read; a damaged entry counts as absent and is written again.
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
    """A folder of encoded vectors."""

    folder: Path

    def get(self, fingerprint: str, content: str, encode: Callable[[], Vectors]) -> Vectors:
        """The vectors of this tower for this content: read if kept, otherwise encoded and kept.

        Args:
            fingerprint: of the tower, see `tower_fingerprint`.
            content: a digest of what is encoded, see `digest_texts`.
            encode: gives the vectors, shape (n, d) float32.
        """
        path = self.folder / f"{fingerprint[:20]}-{content[:20]}.vectors"
        vectors = _read(path)
        if vectors is None:
            vectors = encode()
            _write(path, vectors)
        return vectors


def digest_texts(texts: Iterable[str | None]) -> str:
    """SHA-256 over a sequence of texts, their order and limits included."""
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
