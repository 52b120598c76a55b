"""Answering a batch of searches with one version: encode together, search together, cut to each one's k."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from service.errors import QueryError, ServiceError
from service.filters import Filters
from service.loaded_version import LoadedVersion


@dataclass(frozen=True)
class SearchQuery:
    """One search, without HTTP."""

    text: str
    k: int
    filters: Filters = ()


@dataclass(frozen=True, eq=False)
class Found:
    """What one search found.

    Attributes:
        rows: Shape (at most k,), best first, without padding.
        scores: Shape of `rows`, descending.
    """

    rows: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class BatchResult:
    """What a batch found, query by query, or why one query has no answer."""

    results: list[Found | ServiceError]
    encode_seconds: float
    search_seconds: float


def answer_queries(queries: Sequence[SearchQuery], version: LoadedVersion) -> BatchResult:
    """Answer queries together; one that cannot be answered does not touch the others.

    Queries with equal filters, mostly none, are searched together with the largest k among them.

    Raises:
        Exception: Whatever the encoder or the index raises; then no query has an answer.
    """
    started_at = time.perf_counter()
    vectors = version.encoder.encode([query.text for query in queries])
    encoded_at = time.perf_counter()
    results: list[Found | ServiceError] = [_UNREADABLE] * len(queries)
    readable = np.asarray(np.isfinite(vectors).all(axis=1))
    for filters, places in _places_by_filters(queries, readable).items():
        try:
            rows = version.attributes.mask(filters) if filters else None
        except ServiceError as error:
            for place in places:
                results[place] = error
            continue
        near = version.search(vectors[places], max(queries[place].k for place in places), rows)
        for place, near_rows, near_scores in zip(places, near.rows, near.scores, strict=True):
            results[place] = _first(near_rows, near_scores, queries[place].k)
    return BatchResult(results, encoded_at - started_at, time.perf_counter() - encoded_at)


def _places_by_filters(queries: Sequence[SearchQuery], readable: npt.NDArray[np.bool_]) -> dict[Filters, list[int]]:
    places: dict[Filters, list[int]] = {}
    for place, query in enumerate(queries):
        if readable[place]:
            places.setdefault(query.filters, []).append(place)
    return places


def _first(rows: npt.NDArray[np.int64], scores: npt.NDArray[np.float32], k: int) -> Found:
    """The first k neighbours, without the padding at the end."""
    rows = rows[:k]
    found = len(rows) if len(rows) == 0 or rows[-1] >= 0 else int(np.argmax(rows < 0))
    return Found(rows[:found], scores[:found])


_UNREADABLE = QueryError("query holds nothing that the model can read")
