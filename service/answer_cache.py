"""Answers to queries that were asked before: rendered hits, the latest used kept, bounded in bytes."""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

from service.answering import SearchQuery, SimilarQuery
from service.metrics import Metrics

_ENTRY_BYTES = 500  # of key, records and places in the tables, besides the hits


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


class AnswerCache:
    """Rendered hits by version and query. Its methods are called on the event loop.

    Args:
        max_bytes: Of all entries together; 0 keeps nothing.
        metrics: Told of hits and misses.
    """

    def __init__(self, max_bytes: int, metrics: Metrics) -> None:
        self._max_bytes = max_bytes
        self._metrics = metrics
        self._entries: OrderedDict[Hashable, RenderedHits] = OrderedDict()  # the latest used last
        self._bytes = 0
        metrics.watch_cache(lambda: self._bytes)

    def get(self, version_id: str, query: SearchQuery | SimilarQuery) -> RenderedHits | None:
        """What this version found for the query before, or for one that is the same but for blanks."""
        if not self._max_bytes:
            return None
        key = _key(version_id, query)
        found = self._entries.get(key)
        if found:
            self._entries.move_to_end(key)
        self._metrics.count_lookup(found is not None)
        return found

    def put(self, query: SearchQuery | SimilarQuery, found: RenderedHits) -> None:
        """Keep an answer, and forget the ones that were not used for longest where there is no room."""
        if _size(found) > self._max_bytes:
            return
        key = _key(found.version_id, query)
        before = self._entries.pop(key, None)
        self._entries[key] = found
        self._bytes += _size(found) - (_size(before) if before else 0)
        while self._bytes > self._max_bytes:
            _, oldest = self._entries.popitem(last=False)
            self._bytes -= _size(oldest)

    def clear(self) -> None:
        """Forget everything: another version is served."""
        self._entries.clear()
        self._bytes = 0


def _key(version_id: str, query: SearchQuery | SimilarQuery) -> Hashable:
    """Equal for queries that have the same answer."""
    what: Hashable = query.product_id if isinstance(query, SimilarQuery) else _what_is_asked(query)
    page = query.page
    # To Python 1, 1.0 and True are equal; as filters they are not.
    return version_id, what, page.k, page.offset, repr(page.filters) if page.filters else ""


def _what_is_asked(query: SearchQuery) -> Hashable:
    # Tokenizers take any run of blanks for one.
    return " ".join(query.text.split()), query.explain, query.part


def _size(found: RenderedHits) -> int:
    return len(found.hits) + _ENTRY_BYTES
