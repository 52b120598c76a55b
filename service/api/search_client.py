"""Sends the queries of an HTTP request to a batcher and awaits their answers, until the deadline or a hang-up."""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any, TypeVar

from starlette.requests import Request

from service.core.errors import ClientGoneError, DeadlineError, NoPhotoSearchError, NotReadyError, ServiceError
from service.core.logs import EventLog
from service.dispatch.batcher import Batcher, TimedAnswer
from service.dispatch.search_service import SearchService, service_of
from service.protocol.answers import RenderedAnswer
from service.protocol.queries import Page, PhotoQuery, Query, SearchQuery, SimilarQuery

_log = EventLog(__name__)
Result = TypeVar("Result")
# Watching a connection costs a task. Most searches are answered before this time and need none.
_WATCH_AFTER_SECONDS = 0.05


async def find(request: Request, query: SearchQuery | SimilarQuery) -> RenderedAnswer:
    """Return the answer of the served version to a search; see `find_all`.

    Raises:
        ServiceError: the search has no answer; the error says why.
    """
    (outcome,) = await find_all(request, [query])
    if isinstance(outcome, ServiceError):
        raise outcome
    return outcome


async def find_all(
    request: Request, queries: Sequence[SearchQuery | SimilarQuery]
) -> list[RenderedAnswer | ServiceError]:
    """Return the answer of the served version to each search, or the error that says why it has none.

    Answers that the cache holds are not searched again.

    Raises:
        NotReadyError: no version is served.
        OverloadedError: the queue has no room for all searches that are not in the cache.
        ClientGoneError: the client hung up.
        DeadlineError: the searches were not answered within the deadline.
    """
    service = service_of(request)
    if service.settings.log_queries:
        _log_queries(queries)
    served = service.swapper.served
    digests = [service.cache.digest(query) for query in queries]
    outcomes: list[RenderedAnswer | ServiceError | None] = [
        service.cache.get(served.version_id, digest) if served else None for digest in digests
    ]
    missed = [query for query, outcome in zip(queries, outcomes, strict=True) if outcome is None]
    answers = iter(await _ask_all(request, service.batcher, missed) if missed else ())
    for place, digest in enumerate(digests):
        if outcomes[place] is None:
            answer = next(answers)
            if isinstance(answer, TimedAnswer):
                service.metrics.record_stages(answer.stages)
                service.cache.put(digest, answer.answer)
            outcomes[place] = _untimed(answer, service)
    return [outcome for outcome in outcomes if outcome is not None]


def check_photos(service: SearchService) -> None:
    """Refuse a search by photo that cannot be answered before its photo is uploaded.

    Raises:
        NotReadyError: no version is served.
        NoPhotoSearchError: the served version cannot be searched by photo.
        OverloadedError: the queue of photos is full.
    """
    served = service.swapper.served
    if served is None:
        raise NotReadyError(service.swapper.reason)
    if served.photo_search_refusal is not None:
        raise NoPhotoSearchError(served.photo_search_refusal)
    service.photo_batcher.check_room()


async def find_by_photo(request: Request, content: bytes, page: Page) -> RenderedAnswer:
    """Return the products whose photos are nearest to a photo. Neither the photo nor its answer is kept.

    Args:
        request: the HTTP request.
        content: the bytes of the photo's file.
        page: the part of the ranking that is wanted.

    Raises:
        ServiceError: an error of `check_photos` or `ask`, or QueryError if the photo cannot be used.
    """
    service = service_of(request)
    check_photos(service)
    if service.settings.log_queries:
        _log.info("query", photo_bytes=len(content), k=page.k, offset=page.offset, filters=len(page.filters))
    (answer,) = await _ask_all(request, service.photo_batcher, [PhotoQuery(content, page)])
    if isinstance(answer, TimedAnswer):
        service.metrics.record_photo(answer.stages)
    outcome = _untimed(answer, service)
    if isinstance(outcome, ServiceError):
        raise outcome
    return outcome


async def ask(request: Request, query: Query, batcher: Batcher) -> RenderedAnswer:
    """Return the answer to a query without the cache, and without counting it as a search of a shopper.

    Args:
        request: the HTTP request.
        query: the query.
        batcher: sends the query to a version.

    Raises:
        NotReadyError: no version is served.
        OverloadedError: the queue is full.
        ClientGoneError: the client hung up.
        DeadlineError: the query was not answered within the deadline.
        ServiceError: the query has no answer; the error says why.
    """
    (answer,) = await _ask_all(request, batcher, [query])
    if isinstance(answer, ServiceError):
        raise answer
    return answer.answer


async def _ask_all(request: Request, batcher: Batcher, queries: Sequence[Query]) -> list[TimedAnswer | ServiceError]:
    """Return the outcome of each query. All are withdrawn if the client hangs up or the deadline passes; see `ask`."""
    service, loop = service_of(request), asyncio.get_running_loop()
    try:
        futures = batcher.submit(queries)
    except NotReadyError as error:
        raise NotReadyError(service.swapper.reason) from error
    deadline_at = loop.time() + service.settings.deadline_seconds
    watchers: list[asyncio.Task[ServiceError]] = []

    def start_watching() -> None:
        watchers.append(loop.create_task(_withdraw_in_time(request, futures, deadline_at)))

    timer = loop.call_later(_WATCH_AFTER_SECONDS, start_watching)
    try:
        return [await _outcome(future) for future in futures]
    except asyncio.CancelledError:
        if watchers and watchers[0].done():
            raise watchers[0].result() from None
        raise  # the request's own task was cancelled, since the process is ending
    finally:
        timer.cancel()
        for watcher in watchers:
            watcher.cancel()
        for future in futures:
            future.cancel()


async def _withdraw_in_time(
    request: Request, futures: Sequence[asyncio.Future[Any]], deadline_at: float
) -> ServiceError:
    """Cancel the futures when the client hangs up or the deadline passes, and return which of the two it was."""
    reason: ServiceError = ClientGoneError("the client hung up")
    try:
        async with asyncio.timeout_at(deadline_at):
            await _hang_up(request)
    except TimeoutError:
        deadline_s = service_of(request).settings.deadline_seconds
        reason = DeadlineError(f"no answer within {deadline_s:g} s; try again in a moment")
    for future in futures:
        future.cancel()
    return reason


def _untimed(answer: TimedAnswer | ServiceError, service: SearchService) -> RenderedAnswer | ServiceError:
    """Return the answer alone, after its stages have been added to the request's trace."""
    if isinstance(answer, ServiceError):
        return answer
    if service.tracing is not None:
        service.tracing.record_search(answer.answer.version_id, answer.stages)
    return answer.answer


def _log_queries(queries: Sequence[SearchQuery | SimilarQuery]) -> None:
    for query in queries:
        subject = {"query": query.text} if isinstance(query, SearchQuery) else {"product": query.product_id}
        _log.info("query", **subject, k=query.page.k, offset=query.page.offset, filters=len(query.page.filters))


async def _hang_up(request: Request) -> None:
    """Wait until the client hangs up, and ignore anything that it sends before."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _outcome(future: Awaitable[Result]) -> Result | ServiceError:
    try:
        return await future
    except ServiceError as error:
        return error
