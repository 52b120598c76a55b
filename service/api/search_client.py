"""A request's queries to the batcher, and its answers back, unless the client hangs up meanwhile."""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any, TypeVar

from starlette.requests import Request

from service.core.errors import ClientGoneError, DeadlineError, NoPhotoSearchError, NotReadyError, ServiceError
from service.core.logs import EventLog
from service.dispatch.answer_cache import RenderedHits
from service.dispatch.batcher import Answer, Batcher
from service.dispatch.search_service import SearchService, service_of
from service.protocol.queries import Page, PhotoQuery, Query, SearchQuery, SimilarQuery

_log = EventLog(__name__)
Result = TypeVar("Result")
# Most searches are answered before, and to watch each client costs a task.
_UNGUARDED_SECONDS = 0.05


async def find(request: Request, query: SearchQuery | SimilarQuery) -> RenderedHits:
    """What a query finds; see `find_all`.

    Raises:
        ServiceError: It has no answer, and why.
    """
    (found,) = await find_all(request, [query])
    if isinstance(found, ServiceError):
        raise found
    return found


async def find_all(
    request: Request, queries: Sequence[SearchQuery | SimilarQuery]
) -> list[RenderedHits | ServiceError]:
    """What each query finds, or why it finds nothing; what the served version found before is not searched again.

    Raises: As `ask_all`.
    """
    service = service_of(request)
    if service.settings.log_queries:
        _log_queries(queries)
    served = service.swapper.served
    found: list[RenderedHits | ServiceError | None] = [
        service.cache.get(served.version_id, query) if served else None for query in queries
    ]
    new = [query for query, before in zip(queries, found, strict=True) if before is None]
    answers = iter(await ask_all(request, new) if new else ())
    for place, query in enumerate(queries):
        if found[place] is None:
            found[place] = answer = _hits_of(next(answers), service)
            if isinstance(answer, RenderedHits):
                service.cache.put(query, answer)
    return [outcome for outcome in found if outcome is not None]


def check_photos(service: SearchService) -> None:
    """Refuse photos as queries before they are uploaded.

    Raises:
        NotReadyError: No version is served.
        NoPhotoSearchError: The served version takes none.
        OverloadedError: Too many wait already.
    """
    served = service.swapper.served
    if served is None:
        raise NotReadyError(service.swapper.reason)
    if served.no_photos is not None:
        raise NoPhotoSearchError(served.no_photos)
    service.photo_batcher.check_room()


async def find_by_photo(request: Request, content: bytes, page: Page) -> RenderedHits:
    """The products whose photos are like a photo. Neither it nor what it finds is kept.

    Args:
        request: That asks.
        content: Of the photo's file.
        page: Which of them.

    Raises:
        ServiceError: As `check_photos` and `ask_all`, or QueryError where the photo cannot be used.
    """
    service = service_of(request)
    check_photos(service)
    if service.settings.log_queries:
        _log.info("query", photo_bytes=len(content), k=page.k, offset=page.offset, filters=len(page.filters))
    (answer,) = await _ask(request, service.photo_batcher, [PhotoQuery(content, page)])
    if isinstance(answer, ServiceError):
        raise answer
    service.metrics.record_photo(answer.stages)
    return _rendered(answer, service)


async def ask(request: Request, query: Query) -> Answer:
    """The answer to a query; see `ask_all`.

    Raises:
        ServiceError: It has none, and why.
    """
    (answer,) = await ask_all(request, [query])
    if isinstance(answer, ServiceError):
        raise answer
    return answer


async def ask_all(request: Request, queries: Sequence[Query]) -> list[Answer | ServiceError]:
    """The answer to each query, or why it has none. Those whose client hangs up while they wait are given up.

    Raises:
        NotReadyError: No version is served.
        OverloadedError: The queue has no room for all of them.
        ClientGoneError: The client hung up.
        DeadlineError: They waited for too long.
    """
    return await _ask(request, service_of(request).batcher, queries)


async def _ask(request: Request, batcher: Batcher, queries: Sequence[Query]) -> list[Answer | ServiceError]:
    """See `ask_all`."""
    service, loop = service_of(request), asyncio.get_running_loop()
    try:
        waiting = batcher.submit(queries)
    except NotReadyError as error:
        raise NotReadyError(service.swapper.reason) from error
    deadline_at = loop.time() + service.settings.deadline_seconds
    guards: list[asyncio.Task[ServiceError]] = []

    def begin_to_guard() -> None:
        guards.append(loop.create_task(_guard(request, waiting, deadline_at)))

    begin = loop.call_later(_UNGUARDED_SECONDS, begin_to_guard)
    try:
        return [await _outcome(future) for future in waiting]
    except asyncio.CancelledError:
        if guards and guards[0].done():
            raise guards[0].result() from None
        raise  # it is this request's task that is cancelled: the process is ending
    finally:
        begin.cancel()
        for guard in guards:
            guard.cancel()
        for future in waiting:
            future.cancel()


async def _guard(request: Request, waiting: Sequence[asyncio.Future[Any]], deadline_at: float) -> ServiceError:
    """Give the futures up when the client hangs up or they have waited for too long, and say which of these it was."""
    reason: ServiceError = ClientGoneError("the client hung up")
    try:
        async with asyncio.timeout_at(deadline_at):
            await _hang_up(request)
    except TimeoutError:
        deadline_s = service_of(request).settings.deadline_seconds
        reason = DeadlineError(f"no answer within {deadline_s:g} s; try again in a moment")
    for future in waiting:
        future.cancel()
    return reason


def _hits_of(answer: Answer | ServiceError, service: SearchService) -> RenderedHits | ServiceError:
    if isinstance(answer, ServiceError):
        return answer
    service.metrics.record_stages(answer.stages)
    return _rendered(answer, service)


def _rendered(answer: Answer, service: SearchService) -> RenderedHits:
    if service.tracing is not None:
        service.tracing.record_search(answer.version_id, answer.stages)
    return RenderedHits(answer.version_id, answer.content, answer.passing)


def _log_queries(queries: Sequence[SearchQuery | SimilarQuery]) -> None:
    for query in queries:
        what = {"query": query.text} if isinstance(query, SearchQuery) else {"product": query.product_id}
        _log.info("query", **what, k=query.page.k, offset=query.page.offset, filters=len(query.page.filters))


async def _hang_up(request: Request) -> None:
    """Wait until the client has gone; what it sends before is of no interest any more."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _outcome(future: Awaitable[Result]) -> Result | ServiceError:
    try:
        return await future
    except ServiceError as error:
        return error
