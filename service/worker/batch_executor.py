"""Execution of a batch of queries by one version: plan, search and render them together."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import astuple, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from service.core.errors import SearchFailedError, ServiceError
from service.core.logs import EventLog
from service.protocol.answers import BatchAnswer, BatchSeconds, RenderedAnswer
from service.protocol.filters import Filters
from service.protocol.queries import Query
from service.worker.loaded_version import LoadedVersion
from service.worker.ranking import Explanation, Ranking
from service.worker.search_plans import ImageRow, Plan, PlannedSearch, PlannedWordSearch, ProductRow, plan_searches
from service.worker.word_ranking import rank_by_both, rank_by_words

if TYPE_CHECKING:
    from lexical import WordIndex

_log = EventLog(__name__)

Search = PlannedSearch | PlannedWordSearch
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
    understand = sum(plan.asked_words.seconds for plan in plans if isinstance(plan, Search) and plan.asked_words)
    by_words = sum(result.words_seconds for result in results if isinstance(result, Ranking))
    seconds = BatchSeconds(
        decode=decode,
        encode=encoded_at - started_at - decode - understand,
        words=understand + by_words,
        search=searched_at - encoded_at - by_words,
        render=rendered_at - searched_at,
    )
    return BatchAnswer(outcomes, seconds)


def execute_plans(plans: Sequence[Plan], version: LoadedVersion) -> list[Result]:
    """Execute planned searches; one that fails because of its filters does not affect the others.

    Searches with equal filters, most often none, are executed together, as deep as the deepest of them needs.

    Raises:
        Exception: whatever the index raises; then no search has a result.
    """
    groups: dict[str, dict[int, Search]] = {}
    for place, plan in enumerate(plans):
        if isinstance(plan, Search):
            filters = plan.page.filters
            # By their text: to Python 1, 1.0 and True are equal, but as filters they are not.
            groups.setdefault(repr(filters) if filters else "", {})[place] = plan
    found: dict[int, Ranking | ServiceError] = {}
    for group in groups.values():
        found.update(zip(group, _search(list(group.values()), version), strict=True))
    return [found[place] if isinstance(plan, Search) else plan for place, plan in enumerate(plans)]


def _search(searches: Sequence[Search], version: LoadedVersion) -> list[Ranking | ServiceError]:
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

    def rank(search: Search) -> Ranking:
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
