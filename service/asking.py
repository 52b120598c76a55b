"""A request's queries to the batcher, and its answers back, unless the client hangs up meanwhile."""

import asyncio
from collections.abc import Sequence

from starlette.requests import Request

from service.answering import Query
from service.batcher import Answer
from service.errors import ClientGoneError, NotReadyError, ServiceError
from service.search_service import service_of


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
    """
    service = service_of(request)
    try:
        waiting = service.batcher.submit_all(queries)
    except NotReadyError as error:
        raise NotReadyError(service.swapper.reason) from error
    gone = asyncio.ensure_future(_hang_up(request))
    gone.add_done_callback(lambda _: [future.cancel() for future in waiting])
    try:
        return [await _outcome(future) for future in waiting]
    except asyncio.CancelledError:
        if not gone.done():
            raise  # it is this request's task that is cancelled: the process is ending
        raise ClientGoneError("the client hung up") from None
    finally:
        gone.cancel()


async def _hang_up(request: Request) -> None:
    """Wait until the client has gone; what it sends before is of no interest any more."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _outcome(future: asyncio.Future[Answer]) -> Answer | ServiceError:
    try:
        return await future
    except ServiceError as error:
        return error
