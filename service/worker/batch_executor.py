"""Execution of a batch of queries by one version: encode, search and render them together."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from service.core.errors import NoPhotoSearchError, QueryError, SearchFailedError, ServiceError, UnknownProductError
from service.core.logs import EventLog
from service.protocol.answers import BatchAnswer, BatchSeconds, RenderedAnswer
from service.protocol.filters import Filters
from service.protocol.queries import ImageQuery, Page, PhotoQuery, ProductQuery, Query, SearchQuery
from service.worker.loaded_version import LoadedVersion
from service.worker.photo_queries import Vector
from service.worker.ranking import Explanation, Ranking
from service.worker.word_ranking import AskedWords, fused_depth, rank_by_both, rank_by_words

if TYPE_CHECKING:
    from lexical import WordIndex

_log = EventLog(__name__)


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
Result = Ranking | ProductRow | ImageRow | ServiceError


def answer_batch(queries: Sequence[Query], version: LoadedVersion) -> BatchAnswer:
    """Answer each query. If a query makes the whole batch fail, answer each alone, so that only that one fails.

    Raises:
        DeviceLostError: the version's GPU answers nothing any more, so that this process must be replaced.
    """
    try:
        return _answer_together(queries, version)
    except Exception:
        _log.exception("batch_failed", version=version.version_id, searches=len(queries))
    version.check_device()
    if len(queries) > 1:
        answers = [answer_batch([query], version) for query in queries]
        seconds = BatchSeconds(*map(sum, zip(*(astuple(answer.seconds) for answer in answers), strict=True)))
        return BatchAnswer([outcome for answer in answers for outcome in answer.outcomes], seconds)
    failure = SearchFailedError("the search failed inside the service; its log says why")
    return BatchAnswer([failure], BatchSeconds(0, 0, 0, 0, 0))


def _answer_together(queries: Sequence[Query], version: LoadedVersion) -> BatchAnswer:
    started_at = time.perf_counter()
    plans = plan_searches(queries, version)
    encoded_at = time.perf_counter()
    results = execute_plans(plans, version)
    searched_at = time.perf_counter()
    outcomes = _render(results, version)
    rendered_at = time.perf_counter()
    decode = sum(plan.decode_seconds for plan in plans if isinstance(plan, PlannedSearch))
    understand = sum(plan.asked_words.seconds for plan in plans if isinstance(plan, _WORD_PLANS) and plan.asked_words)
    by_words = sum(result.words_seconds for result in results if isinstance(result, Ranking))
    seconds = BatchSeconds(
        decode=decode,
        encode=encoded_at - started_at - decode - understand,
        words=understand + by_words,
        search=searched_at - encoded_at - by_words,
        render=rendered_at - searched_at,
    )
    return BatchAnswer(outcomes, seconds)


def plan_searches(queries: Sequence[Query], version: LoadedVersion) -> list[Plan]:
    """Encode queries, all texts together.

    Returns:
        For each query its vector search, or its result if it needs none.

    Raises:
        Exception: whatever the encoder raises; then no query has a plan.
    """
    asked = [_asked_words(query, version) for query in queries]
    texts = [
        query.text if words is None else words.words.text
        for query, words in zip(queries, asked, strict=True)
        if isinstance(query, SearchQuery) and query.ranking != "words"
    ]
    vectors = version.encoder.encode(texts) if texts else np.empty((0, version.index.width), np.float32)
    readable = np.asarray(np.isfinite(vectors).all(axis=1))
    encoded = iter(zip(vectors, readable.tolist(), strict=True))

    def plan(query: Query, words: AskedWords | None) -> Plan:
        if isinstance(query, SearchQuery):
            if query.ranking == "words":
                return _plan_word_search(query, words, version)
            vector, is_readable = next(encoded)
            if not is_readable:
                return _UNREADABLE
            if query.ranking == "hybrid":
                return _plan_hybrid_search(query, vector, words, version)
            return _plan_text_search(query, vector, version)
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

    return [plan(query, words) for query, words in zip(queries, asked, strict=True)]


def execute_plans(plans: Sequence[Plan], version: LoadedVersion) -> list[Result]:
    """Execute planned searches; one that fails because of its filters does not affect the others.

    Searches with equal filters, most often none, are executed together, as deep as the deepest of them needs.

    Raises:
        Exception: whatever the index raises; then no search has a result.
    """
    groups: dict[str, dict[int, PlannedSearch | PlannedWordSearch]] = {}
    for place, plan in enumerate(plans):
        if isinstance(plan, _WORD_PLANS):
            filters = plan.page.filters
            # By their text: to Python 1, 1.0 and True are equal, but as filters they are not.
            groups.setdefault(repr(filters) if filters else "", {})[place] = plan
    found: dict[int, Ranking | ServiceError] = {}
    for group in groups.values():
        found.update(zip(group, _search(list(group.values()), version), strict=True))
    return [found[place] if isinstance(plan, _WORD_PLANS) else plan for place, plan in enumerate(plans)]


def _asked_words(query: Query, version: LoadedVersion) -> AskedWords | None:
    if not isinstance(query, SearchQuery) or query.ranking == "cosine" or version.words is None:
        return None
    return AskedWords.of(query.text, version.words, correct=query.correct)


def _plan_word_search(
    query: SearchQuery, words: AskedWords | None, version: LoadedVersion
) -> PlannedWordSearch | ServiceError:
    if words is None:
        return _no_words(query, version)
    if query.modality:
        return _PART_WITH_WORDS
    return PlannedWordSearch(words, query.page, query.explain)


def _plan_hybrid_search(
    query: SearchQuery, vector: Vector, words: AskedWords | None, version: LoadedVersion
) -> PlannedSearch | ServiceError:
    if words is None:
        return _no_words(query, version)
    if query.modality:
        return _PART_WITH_WORDS
    if version.prior is not None and query.prior != 1:
        vector = version.prior.scale(vector, query.prior)
    return PlannedSearch(vector, query.page, asked_words=words, explains_rankings=query.explain)


def _no_words(query: SearchQuery, version: LoadedVersion) -> QueryError:
    return QueryError(
        f"ranking is {query.ranking}, but version {version.version_id} has no words of its products: build it again, "
        "or rank by cosine"
    )


def _plan_text_search(query: SearchQuery, vector: Vector, version: LoadedVersion) -> PlannedSearch | ServiceError:
    if query.explain and version.modality_scores is None and version.modality_similarities is None:
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
    return PlannedSearch(vector, query.page, explained_text=query.text if query.explain else None)


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


def _search(
    searches: Sequence[PlannedSearch | PlannedWordSearch], version: LoadedVersion
) -> list[Ranking | ServiceError]:
    """Search the index once for all searches, which have equal filters."""
    filters: Filters = searches[0].page.filters
    try:
        mask = version.filter_columns.mask(filters) if filters else None
    except ServiceError as error:
        return [error] * len(searches)
    total_matches = None if mask is None else int(np.count_nonzero(mask))
    by_vector = [search for search in searches if isinstance(search, PlannedSearch)]
    nearest: Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]] = iter(())
    if by_vector:
        depth = max(search.depth for search in by_vector)
        found = version.search(np.stack([search.vector for search in by_vector]), depth, mask)
        nearest = zip(found.rows, found.scores, strict=True)

    def rank(search: PlannedSearch | PlannedWordSearch) -> Ranking:
        if isinstance(search, PlannedWordSearch):
            asked, explain = search.asked_words, search.explains_rankings
            return rank_by_words(asked, search.page, _words_of(version), mask, total_matches, explain=explain)
        rows, scores = next(nearest)
        if search.asked_words is None:
            return _explain(_cut_to_page(rows, scores, search, total_matches), search, version)
        asked, explain = search.asked_words, search.explains_rankings
        valid = rows[: _count_found(rows)]
        return rank_by_both(asked, search.page, valid, _words_of(version), mask, total_matches, explain=explain)

    return [rank(search) for search in searches]


def _words_of(version: LoadedVersion) -> "WordIndex":
    assert version.words is not None, "such a query is refused when it is planned"
    return version.words


def _cut_to_page(
    rows: npt.NDArray[np.int64], scores: npt.NDArray[np.float32], search: PlannedSearch, total_matches: int | None
) -> Ranking:
    """Return the wanted page without the index's padding (rows of -1) and without the excluded product."""
    count = _count_found(rows)
    rows, scores = rows[:count], scores[:count]
    if search.excluded_row >= 0:
        others = rows != search.excluded_row
        rows, scores = rows[others], scores[others]
    page = slice(search.page.offset, search.page.depth)
    return Ranking(rows[page], scores[page], search.page.offset + 1, total_matches)


def _count_found(rows: npt.NDArray[np.int64]) -> int:
    """Return how many rows come before the index's padding."""
    return len(rows) if len(rows) == 0 or rows[-1] >= 0 else int(np.argmax(rows < 0))


def _explain(ranking: Ranking, search: PlannedSearch, version: LoadedVersion) -> Ranking:
    if search.explained_text is None:
        return ranking
    if not version.modality_scores:
        assert version.modality_similarities, "such a query is refused when it is planned"
        explanation = version.modality_similarities.explain(search.explained_text, ranking.rows)
        if version.prior is None:
            return replace(ranking, explanation=explanation)
    products = version.reconstruct(ranking.rows)
    if version.modality_scores:
        explanation = Explanation("scores", version.modality_scores.split(search.vector, products))
    if version.prior is not None:
        told_apart = version.prior.explain(search.vector, products)
        explanation = replace(explanation, values=explanation.values | told_apart)
    return replace(ranking, explanation=explanation)


def _render(results: Sequence[Result], version: LoadedVersion) -> list[RenderedAnswer | ServiceError]:
    pages = iter(version.hit_table.render([result for result in results if isinstance(result, Ranking)]))

    def answer(result: Result) -> RenderedAnswer | ServiceError:
        if isinstance(result, Ranking):
            return RenderedAnswer(version.version_id, next(pages), result.total_matches, result.corrected)
        if isinstance(result, ProductRow):
            return RenderedAnswer(version.version_id, version.hit_table.render_product(result.row), None)
        if isinstance(result, ImageRow):
            return RenderedAnswer(version.version_id, version.hit_table.image(result.row), None)
        return result

    return [answer(result) for result in results]


_WORD_PLANS = (PlannedSearch, PlannedWordSearch)
_PART_WITH_WORDS = QueryError("part goes with the ranking cosine: words are of the whole product")
_UNREADABLE = QueryError("query holds nothing that the model can read")
