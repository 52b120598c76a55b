"""Plans of queries: what is to be searched for each, with all texts of a batch encoded together."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from service.core.errors import NoPhotoSearchError, QueryError, ServiceError, UnknownProductError
from service.protocol.queries import ImageQuery, Page, PhotoQuery, ProductQuery, Query, SearchQuery
from service.worker.loaded_version import LoadedVersion
from service.worker.photo_queries import Vector
from service.worker.word_ranking import AskedWords, fused_depth


@dataclass(frozen=True, eq=False)
class PlannedSearch:
    """The vector search that answers one query.

    Attributes:
        vector: the query vector, whose dot products with products are the scores. Shape (D,).
        page: the part of the ranking that is wanted.
        excluded_row: the row of a product that must not be found; -1 for none.
        explained_text: the query's text if its scores are to be explained; otherwise None.
        decode_seconds: the time that decoding its photo took.
        asked_words: the query's words, whose ranking is fused with that of the vector; None for the vector alone.
        explains_rankings: whether each hit says what it has from either ranking.
    """

    vector: Vector
    page: Page
    excluded_row: int = -1
    explained_text: str | None = None
    decode_seconds: float = 0.0
    asked_words: AskedWords | None = None
    explains_rankings: bool = False

    @property
    def depth(self) -> int:
        """How many of the nearest products it needs."""
        needed = self.page.depth if self.asked_words is None else fused_depth(self.page)
        return needed + (self.excluded_row >= 0)


@dataclass(frozen=True)
class PlannedWordSearch:
    """The search by words that answers one query.

    Attributes:
        asked_words: the query's words.
        page: the part of the ranking that is wanted.
        explains_rankings: whether each hit explains its score.
    """

    asked_words: AskedWords
    page: Page
    explains_rankings: bool


@dataclass(frozen=True)
class ProductRow:
    """The row of a product that was looked up."""

    row: int


@dataclass(frozen=True)
class ImageRow:
    """The row of a product whose image entry was looked up."""

    row: int


Plan = PlannedSearch | PlannedWordSearch | ProductRow | ImageRow | ServiceError


def plan_searches(queries: Sequence[Query], version: LoadedVersion) -> list[Plan]:
    """Encode queries, all texts together.

    Returns:
        For each query the search that answers it, or its result if it needs none.

    Raises:
        Exception: whatever the encoder raises; then no query has a plan.
    """
    words = [_asked_words(query, version) for query in queries]
    encoded = _encoded(queries, words, version)

    def plan(query: Query, asked: AskedWords | QueryError | None) -> Plan:
        if isinstance(query, SearchQuery):
            if isinstance(asked, QueryError):
                return asked
            if asked and query.ranking == "words":
                return PlannedWordSearch(asked, query.page, query.explain)
            return _plan_text_search(query, next(encoded), asked, version)
        if isinstance(query, PhotoQuery):
            return _plan_photo_search(query, version)
        row = version.product_rows.row_of(query.product_id)
        if row is None:
            return UnknownProductError("the served version has no product with this id")
        if isinstance(query, ProductQuery):
            return ProductRow(row)
        if isinstance(query, ImageQuery):
            return ImageRow(row)
        return PlannedSearch(_product_query(row, version), query.page, excluded_row=row)

    return [plan(query, asked) for query, asked in zip(queries, words, strict=True)]


def _asked_words(query: Query, version: LoadedVersion) -> AskedWords | QueryError | None:
    """Return the words of a query, or why it cannot be ranked by words; None if it asks for no such ranking."""
    if not isinstance(query, SearchQuery) or query.ranking == "cosine":
        return None
    if version.words is None:
        return QueryError(
            f"ranking is {query.ranking}, but version {version.version_id} has no words of its products: build it "
            "again, or rank by cosine"
        )
    if query.modality:
        return _PART_WITH_WORDS
    return AskedWords.of(query.text, version.words, correct=query.correct)


def _encoded(
    queries: Sequence[Query], words: Sequence[AskedWords | QueryError | None], version: LoadedVersion
) -> Iterator[Vector | None]:
    """Encode the texts of those queries that need a vector, and yield the vectors; None for one that is unreadable."""
    texts = [
        asked.words.text if asked else query.text
        for query, asked in zip(queries, words, strict=True)
        if isinstance(query, SearchQuery) and query.ranking != "words" and not isinstance(asked, QueryError)
    ]
    vectors = version.encoder.encode(texts) if texts else np.empty((0, version.index.width), np.float32)
    readable = np.asarray(np.isfinite(vectors).all(axis=1)).tolist()
    return (vector if is_readable else None for vector, is_readable in zip(vectors, readable, strict=True))


def _plan_text_search(
    query: SearchQuery, vector: Vector | None, asked_words: AskedWords | None, version: LoadedVersion
) -> PlannedSearch | ServiceError:
    if vector is None:
        return _UNREADABLE
    explains_scores = query.explain and asked_words is None
    if explains_scores and version.modality_scores is None and version.modality_similarities is None:
        return QueryError(
            f"explain is true, {_mixing_model(version)}, and version {version.version_id} holds no tower "
            "vectors: build one with `index_builder build --explain`"
        )
    if query.modality:
        if version.modality_scores is None:
            return QueryError(
                f"part is {query.modality!r}, {_mixing_model(version)}: "
                "only models that concatenate both (cat, alpha) have scores by part"
            )
        content = vector if version.prior is None else version.prior.content_queries(vector)
        try:
            vector = version.modality_scores.restrict(content, query.modality)
        except QueryError as error:
            return error
    elif version.prior is not None and query.prior != 1:
        vector = version.prior.scale(vector, query.prior)
    return PlannedSearch(
        vector,
        query.page,
        explained_text=query.text if explains_scores else None,
        asked_words=asked_words,
        explains_rankings=query.explain and asked_words is not None,
    )


def _mixing_model(version: LoadedVersion) -> str:
    return f"but the served model, {version.manifest.model.name}, mixes title and photo"


def _product_query(row: int, version: LoadedVersion) -> Vector:
    """Return the query for products that are like a product, by their content alone."""
    vector = version.reconstruct(np.array([row]))[0]
    if version.prior is not None:
        return version.prior.content_queries(vector)
    query: Vector = vector / np.linalg.norm(vector)
    return query


def _plan_photo_search(query: PhotoQuery, version: LoadedVersion) -> PlannedSearch | ServiceError:
    photo_queries = version.photo_queries
    if isinstance(photo_queries, NoPhotoSearchError):
        return photo_queries
    started_at = time.perf_counter()
    try:
        pixels = photo_queries.decode(query.content)
    except QueryError as error:
        return error
    decode_seconds = time.perf_counter() - started_at
    return PlannedSearch(photo_queries.encode(pixels), query.page, decode_seconds=decode_seconds)


_PART_WITH_WORDS = QueryError("part goes with the ranking cosine: words are of the whole product")
_UNREADABLE = QueryError("query holds nothing that the model can read")
