"""A cache of earlier answers: compressed, bounded in bytes, dropping the least recently used first."""

import hashlib
import sys
from typing import NamedTuple

import pyarrow as pa

from service.core.bounded_cache import BoundedCache
from service.protocol.answers import RenderedAnswer
from service.protocol.queries import SearchQuery, SimilarQuery
from service.telemetry.metrics import Metrics

_DIGEST_BYTES = 16  # 2^64 queries until two have the same by chance
# Compresses a hundred hits with titles to a quarter in 17 us, and decompresses them in 6 us.
_CODEC = pa.Codec("lz4_raw")


class _Kept(NamedTuple):
    """An answer as it is kept; its version is part of its key."""

    content: bytes  # compressed
    uncompressed_bytes: int
    total_matches: int | None
    corrected: str | None


class AnswerCache:
    """Answers by version and query. Its methods are called on the event loop.

    Args:
        max_bytes: the size of all entries together, with their keys; 0 turns the cache off.
        metrics: count hits and misses.
    """

    def __init__(self, max_bytes: int, metrics: Metrics) -> None:
        self._is_on = max_bytes > 0
        self._metrics = metrics
        self._entries: BoundedCache[bytes, _Kept] = BoundedCache(max_bytes, _size)
        metrics.watch_cache(lambda: self._entries.bytes)

    def digest(self, query: SearchQuery | SimilarQuery) -> bytes:
        """Return what stands for a query in `get` and `put`; empty if the cache is off."""
        return _digest(query) if self._is_on else b""

    def get(self, version_id: str, digest: bytes) -> RenderedAnswer | None:
        """Return this version's earlier answer to a query, given its digest."""
        if not self._is_on:
            return None
        kept = self._entries.get(_key(version_id, digest))
        self._metrics.count_lookup(kept is not None)
        if kept is None:
            return None
        content = _CODEC.decompress(kept.content, kept.uncompressed_bytes, asbytes=True)
        return RenderedAnswer(version_id, content, kept.total_matches, kept.corrected)

    def put(self, digest: bytes, answer: RenderedAnswer) -> None:
        """Keep the answer to a query, given its digest; the least recently used ones are dropped to make room."""
        if self._is_on:
            content = _CODEC.compress(answer.content, asbytes=True)
            kept = _Kept(content, len(answer.content), answer.total_matches, answer.corrected)
            self._entries.put(_key(answer.version_id, digest), kept)

    def clear(self) -> None:
        """Drop all answers, since another version is served."""
        self._entries.clear()


def _key(version_id: str, digest: bytes) -> bytes:
    return digest + version_id.encode()


def _digest(query: SearchQuery | SimilarQuery) -> bytes:
    """Return a digest of all of a query that decides its answer, whatever its length.

    Texts and filters are written as Python writes them, in quotes, so that parts cannot run into each other and
    1, 1.0, true and "1" differ, which are different filters.
    """
    page = query.page
    if isinstance(query, SimilarQuery):
        target = f"similar {query.product_id!r}"
    else:
        options = f"{query.explain} {query.modality!r} {query.prior!r} {query.ranking} {query.correct}"
        target = f"text {query.text!r} {options}"
    described = f"{target} {page.k} {page.offset} {page.filters!r}"
    return hashlib.blake2b(described.encode(), digest_size=_DIGEST_BYTES).digest()


def _size(kept: _Kept) -> int:
    return sum(map(sys.getsizeof, (kept, *kept)))
