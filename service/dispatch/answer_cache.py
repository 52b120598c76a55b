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

    def get(self, version_id: str, query: SearchQuery | SimilarQuery) -> RenderedAnswer | None:
        """Return this version's earlier answer to the same query."""
        if not self._is_on:
            return None
        kept = self._entries.get(_key(version_id, query))
        self._metrics.count_lookup(kept is not None)
        if kept is None:
            return None
        content = _CODEC.decompress(kept.content, kept.uncompressed_bytes, asbytes=True)
        return RenderedAnswer(version_id, content, kept.total_matches)

    def put(self, query: SearchQuery | SimilarQuery, answer: RenderedAnswer) -> None:
        """Keep an answer; the least recently used ones are dropped to make room."""
        if self._is_on:
            content = _CODEC.compress(answer.content, asbytes=True)
            kept = _Kept(content, len(answer.content), answer.total_matches)
            self._entries.put(_key(answer.version_id, query), kept)

    def clear(self) -> None:
        """Drop all answers, since another version is served."""
        self._entries.clear()


def _key(version_id: str, query: SearchQuery | SimilarQuery) -> bytes:
    """Return a digest of all that decides the answer, whatever its length.

    Texts and filters are written as Python writes them, in quotes, so that parts cannot run into each other and
    1, 1.0, true and "1" differ, which are different filters.
    """
    page = query.page
    if isinstance(query, SimilarQuery):
        target = f"similar {query.product_id!r}"
    else:
        target = f"text {query.text!r} {query.explain} {query.modality!r}"
    described = f"{version_id!r} {target} {page.k} {page.offset} {page.filters!r}"
    return hashlib.blake2b(described.encode(), digest_size=_DIGEST_BYTES).digest()


def _size(kept: _Kept) -> int:
    return sum(map(sys.getsizeof, (kept, *kept)))
