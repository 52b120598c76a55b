"""POST /search."""

import asyncio
import json
import time

from fastapi import APIRouter, Request
from starlette.responses import Response

from service.answering import SearchQuery
from service.batcher import Answer
from service.errors import ClientGoneError, NotReadyError, QueryError
from service.filters import parse_filters
from service.schemas import Problem, SearchRequest, SearchResponse
from service.search_service import SearchService, service_of

router = APIRouter()


@router.post(
    "/search",
    response_class=Response,
    responses={
        200: {"model": SearchResponse, "description": "The nearest products, best first."},
        422: {"model": Problem, "description": "The request is not valid; the detail names the field."},
        503: {"model": Problem, "description": "Overloaded or not ready; try again after Retry-After."},
    },
)
async def search(body: SearchRequest, request: Request) -> Response:
    """Find the products nearest to a query."""
    started_at = time.perf_counter()
    service = service_of(request)
    if len(body.query) > service.settings.max_query_chars:
        raise QueryError(f"query has {len(body.query)} characters: expected at most {service.settings.max_query_chars}")
    query = SearchQuery(body.query, body.k, parse_filters(body.filters))
    answer = await _answer_unless_gone(service, query, request)
    took_seconds = time.perf_counter() - started_at
    service.metrics.record_search(answer.stages, took_seconds)
    return Response(_render(query.text, answer, took_seconds), media_type="application/json")


async def _answer_unless_gone(service: SearchService, query: SearchQuery, request: Request) -> Answer:
    """The answer. A search whose client hangs up while it waits is given up."""
    try:
        waiting = service.batcher.submit(query)
    except NotReadyError as error:
        raise NotReadyError(service.swapper.reason) from error
    # The body was read, so the next message can only be that the client has gone.
    gone = asyncio.ensure_future(request.receive())
    gone.add_done_callback(lambda _: waiting.cancel())
    try:
        return await waiting
    except asyncio.CancelledError:
        if not gone.done():
            raise  # it is this request's task that is cancelled: the process is ending
        raise ClientGoneError("the client hung up") from None
    finally:
        gone.cancel()


def _render(query: str, answer: Answer, took_seconds: float) -> bytes:
    return b'{"query":%b,"index_version":%b,"took_ms":%.3f,"hits":[%b]}' % (
        json.dumps(query).encode(),
        json.dumps(answer.version_id).encode(),
        took_seconds * 1000,
        answer.hits.render(answer.found.rows, answer.found.scores),
    )
