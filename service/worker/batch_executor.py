"""Answering a batch of queries with one version: encode, search and render together, cut to each one's page."""

import time
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace

import numpy as np
import numpy.typing as npt

from service.core.errors import NoPhotoSearchError, QueryError, SearchFailedError, ServiceError, UnknownProductError
from service.core.logs import EventLog
from service.protocol.filters import Filters
from service.protocol.messages import BatchAnswer, BatchSeconds, Rendered
from service.protocol.queries import Page, PhotoQuery, ProductQuery, Query, SearchQuery
from service.worker.loaded_version import LoadedVersion
from service.worker.modality_similarities import Explanation
from service.worker.photo_queries import Vector

_log = EventLog(__name__)


@dataclass(frozen=True, eq=False)
class Found:
    """What one query found.

    Attributes:
        rows: Shape (at most k,), best first, without padding.
        scores: Shape of `rows`, descending.
        first_rank: Rank of the first of them.
        passing: How many products meet the filters; None without filters.
        explanation: Of the scores, where it was asked for.
    """

    rows: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float32]
    first_rank: int = 1
    passing: int | None = None
    explanation: Explanation | None = None


@dataclass(frozen=True)
class FoundProduct:
    """The product that was asked for, by its row."""

    row: int


@dataclass(frozen=True, eq=False)
class BatchResult:
    """What a batch found, query by query, or why one query has no answer.

    Attributes:
        contents: For each query its hits as the elements of a JSON array, or its product as an object; empty where it
            has no answer.
    """

    results: list[Found | FoundProduct | ServiceError]
    contents: list[bytes]
    seconds: BatchSeconds

    def answer(self) -> BatchAnswer:
        """As it is told to the process that asked."""
        outcomes = [
            result
            if isinstance(result, ServiceError)
            else Rendered(content, result.passing if isinstance(result, Found) else None)
            for result, content in zip(self.results, self.contents, strict=True)
        ]
        return BatchAnswer(outcomes, self.seconds)


@dataclass(frozen=True, eq=False)
class _Wanted:
    """What is to be searched for one query.

    Attributes:
        vector: Shape (D,); its dot products with products are the scores.
        page: Of the query.
        left_out: Row of the product itself, -1 for none.
        explained_text: Of the query, if its scores are to be explained.
        decode_seconds: That its photo took.
    """

    vector: Vector
    page: Page
    left_out: int = -1
    explained_text: str | None = None
    decode_seconds: float = 0.0


def answer_batch(queries: Sequence[Query], version: LoadedVersion) -> BatchAnswer:
    """An outcome for each query. Where they break as a whole, each is tried alone."""
    try:
        return answer_queries(queries, version).answer()
    except Exception:
        _log.exception("batch_failed", version=version.version_id, searches=len(queries))
    if len(queries) > 1:
        alone = [answer_batch([query], version) for query in queries]
        seconds = BatchSeconds(*map(sum, zip(*(astuple(one.seconds) for one in alone), strict=True)))
        return BatchAnswer([outcome for one in alone for outcome in one.outcomes], seconds)
    broken = SearchFailedError("the search broke inside the service; its log says how")
    return BatchAnswer([broken], BatchSeconds(0, 0, 0, 0))


def answer_queries(queries: Sequence[Query], version: LoadedVersion) -> BatchResult:
    """Answer queries together; one that cannot be answered does not touch the others.

    Queries with equal filters, mostly none, are searched together, as deep as the deepest of them.

    Raises:
        Exception: Whatever the encoder or the index raises; then no query has an answer.
    """
    started_at = time.perf_counter()
    wanted = _understand(queries, version)
    encoded_at = time.perf_counter()
    results: list[Found | FoundProduct | ServiceError] = [
        _NOTHING if isinstance(each, _Wanted) else each for each in wanted
    ]
    places_by_filters: dict[Filters, list[int]] = {}
    for place, each in enumerate(wanted):
        if isinstance(each, _Wanted):
            places_by_filters.setdefault(each.page.filters, []).append(place)
    for filters, places in places_by_filters.items():
        together = [each for place in places if isinstance(each := wanted[place], _Wanted)]
        for place, result in zip(places, _search(together, filters, version), strict=True):
            results[place] = result
    searched_at = time.perf_counter()
    contents = _render(results, version)
    rendered_at = time.perf_counter()
    decode = sum(each.decode_seconds for each in wanted if isinstance(each, _Wanted))
    encode = encoded_at - started_at - decode
    seconds = BatchSeconds(decode, encode, searched_at - encoded_at, rendered_at - searched_at)
    return BatchResult(results, contents, seconds)


def _understand(queries: Sequence[Query], version: LoadedVersion) -> list[_Wanted | FoundProduct | ServiceError]:
    """What each query asks for; of those that need no search, the answer."""
    texts = [query.text for query in queries if isinstance(query, SearchQuery)]
    vectors = version.encoder.encode(texts) if texts else np.empty((0, version.index.width), np.float32)
    readable = np.asarray(np.isfinite(vectors).all(axis=1))
    encoded = iter(zip(vectors, readable.tolist(), strict=True))

    def understand(query: Query) -> _Wanted | FoundProduct | ServiceError:
        if isinstance(query, SearchQuery):
            vector, is_readable = next(encoded)
            return _understand_text(query, vector, version) if is_readable else _UNREADABLE
        if isinstance(query, PhotoQuery):
            return _understand_photo(query, version)
        row = version.rows.row_of(query.product_id)
        if row is None:
            return UnknownProductError("the served products have none of this id")
        if isinstance(query, ProductQuery):
            return FoundProduct(row)
        vector = version.reconstruct(np.array([row]))[0]
        return _Wanted(vector / np.linalg.norm(vector), query.page, left_out=row)

    return [understand(query) for query in queries]


def _understand_text(query: SearchQuery, vector: Vector, version: LoadedVersion) -> _Wanted | ServiceError:
    if query.explain and version.score_parts is None and version.tower_cosines is None:
        return QueryError(
            f"explain is true, {_mixes(version)}, and version {version.version_id} keeps no vectors of its towers: "
            "build one with `index_builder build --explain`"
        )
    if query.part:
        if version.score_parts is None:
            return QueryError(
                f"part is {query.part!r}, {_mixes(version)}: a score has parts where they are concatenated (cat, alpha)"
            )
        try:
            vector = version.score_parts.keep(query.part, vector)
        except QueryError as error:
            return error
    return _Wanted(vector, query.page, explained_text=query.text if query.explain else None)


def _mixes(version: LoadedVersion) -> str:
    return f"but the served model, {version.manifest.model.name}, mixes title and photo"


def _understand_photo(query: PhotoQuery, version: LoadedVersion) -> _Wanted | ServiceError:
    photos = version.photos
    if isinstance(photos, NoPhotoSearchError):
        return photos
    started_at = time.perf_counter()
    try:
        pixels = photos.decode(query.content)
    except QueryError as error:
        return error
    decode_seconds = time.perf_counter() - started_at
    return _Wanted(photos.encode(pixels), query.page, decode_seconds=decode_seconds)


def _search(wanted: Sequence[_Wanted], filters: Filters, version: LoadedVersion) -> list[Found | ServiceError]:
    """Search queries with equal filters."""
    try:
        mask = version.attributes.mask(filters) if filters else None
    except ServiceError as error:
        return [error] * len(wanted)
    depth = max(each.page.depth + (each.left_out >= 0) for each in wanted)
    near = version.search(np.stack([each.vector for each in wanted]), depth, mask)
    passing = None if mask is None else int(np.count_nonzero(mask))
    return [
        _explain(_cut(rows, scores, each, passing), each, version)
        for each, rows, scores in zip(wanted, near.rows, near.scores, strict=True)
    ]


def _cut(rows: npt.NDArray[np.int64], scores: npt.NDArray[np.float32], wanted: _Wanted, passing: int | None) -> Found:
    """The page, without the padding at the end and without the product itself."""
    found = len(rows) if len(rows) == 0 or rows[-1] >= 0 else int(np.argmax(rows < 0))
    rows, scores = rows[:found], scores[:found]
    if wanted.left_out >= 0:
        others = rows != wanted.left_out
        rows, scores = rows[others], scores[others]
    page = slice(wanted.page.offset, wanted.page.depth)
    return Found(rows[page], scores[page], wanted.page.offset + 1, passing)


def _explain(found: Found, wanted: _Wanted, version: LoadedVersion) -> Found:
    if wanted.explained_text is None:
        return found
    if version.score_parts:
        parts = version.score_parts.split(wanted.vector, version.reconstruct(found.rows))
        return replace(found, explanation=Explanation("parts", parts))
    assert version.tower_cosines, "such a query is refused"
    return replace(found, explanation=version.tower_cosines.explain(wanted.explained_text, found.rows))


def _render(results: Sequence[Found | FoundProduct | ServiceError], version: LoadedVersion) -> list[bytes]:
    """See `BatchResult.contents`."""
    pages = iter(version.hits.render([result for result in results if isinstance(result, Found)]))

    def content(result: Found | FoundProduct | ServiceError) -> bytes:
        if isinstance(result, Found):
            return next(pages)
        return version.hits.render_product(result.row) if isinstance(result, FoundProduct) else b""

    return [content(result) for result in results]


_NOTHING = Found(np.empty(0, np.int64), np.empty(0, np.float32))
_UNREADABLE = QueryError("query holds nothing that the model can read")
