"""Answers to queries that were asked before: rendered hits, packed, the latest used kept, bounded in bytes."""

from collections.abc import Hashable
from dataclasses import dataclass

import pyarrow as pa

from service.core.bounded_cache import BoundedCache
from service.protocol.queries import SearchQuery, SimilarQuery
from service.telemetry.metrics import Metrics

_ENTRY_BYTES = 500  # of key, records and places in the tables, besides the hits
# A hundred hits with titles become a quarter, in 17 us, and are themselves again in 6.
_CODEC = pa.Codec("lz4_raw")


@dataclass(frozen=True)
class RenderedHits:
    """What a query found, as it is sent.

    Attributes:
        version_id: The version that answered.
        hits: Elements of a JSON array, without its brackets.
        passing: How many products meet the filters; None without filters.
    """

    version_id: str
    hits: bytes
    passing: int | None


@dataclass(frozen=True)
class _Packed:
    """Rendered hits as they are kept.

    Attributes:
        size: Bytes of the hits.
        hits: Compressed.
    """

    size: int
    hits: bytes
    passing: int | None


class AnswerCache:
    """Rendered hits by version and query. Its methods are called on the event loop.

    Args:
        max_bytes: Of all entries together; 0 keeps nothing.
        metrics: Told of hits and misses.
    """

    def __init__(self, max_bytes: int, metrics: Metrics) -> None:
        self._is_on = max_bytes > 0
        self._metrics = metrics
        self._kept: BoundedCache[Hashable, _Packed] = BoundedCache(max_bytes, _kept_bytes)
        metrics.watch_cache(lambda: self._kept.bytes)

    def get(self, version_id: str, query: SearchQuery | SimilarQuery) -> RenderedHits | None:
        """What this version found for the query before, or for one that is the same but for blanks."""
        if not self._is_on:
            return None
        found = self._kept.get(_key(version_id, query))
        self._metrics.count_lookup(found is not None)
        if found is None:
            return None
        return RenderedHits(version_id, _CODEC.decompress(found.hits, found.size, asbytes=True), found.passing)

    def put(self, query: SearchQuery | SimilarQuery, found: RenderedHits) -> None:
        """Keep an answer, and forget the ones that were not used for longest where there is no room."""
        if self._is_on:
            packed = _Packed(len(found.hits), _CODEC.compress(found.hits, asbytes=True), found.passing)
            self._kept.put(_key(found.version_id, query), packed)

    def clear(self) -> None:
        """Forget everything: another version is served."""
        self._kept.clear()


def _key(version_id: str, query: SearchQuery | SimilarQuery) -> Hashable:
    """Equal for queries that have the same answer."""
    what: Hashable = query.product_id if isinstance(query, SimilarQuery) else _what_is_asked(query)
    page = query.page
    # To Python 1, 1.0 and True are equal; as filters they are not.
    return version_id, what, page.k, page.offset, repr(page.filters) if page.filters else ""


def _what_is_asked(query: SearchQuery) -> Hashable:
    # Tokenizers take any run of blanks for one.
    return " ".join(query.text.split()), query.explain, query.part


def _kept_bytes(packed: _Packed) -> int:
    return len(packed.hits) + _ENTRY_BYTES
