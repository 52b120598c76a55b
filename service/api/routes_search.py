"""POST /search, /search/batch, /search/similar and /search/image."""

import time

from fastapi import APIRouter, Request
from starlette.responses import Response

from service.api.image_form import IMAGE_FORM_SCHEMA, read_image_form
from service.api.query_parsing import asked_text, parse_batch, parse_page, parse_search
from service.api.rendering import render_failed_search, render_hits
from service.api.schemas import (
    BatchRequest,
    BatchResponse,
    ImageSearchResponse,
    Problem,
    SearchRequest,
    SearchResponse,
    SimilarRequest,
    SimilarResponse,
)
from service.api.search_client import check_photos, find, find_all, find_by_photo
from service.core.errors import ServiceError
from service.dispatch.search_service import SearchService, service_of
from service.protocol.answers import RenderedAnswer
from service.protocol.queries import SimilarQuery

router = APIRouter()
JSON_SEARCH_PATHS = ("/search", "/search/batch", "/search/similar")  # answered by the fast JSON route
IMAGE_SEARCH_PATH = "/search/image"
_REFUSALS: dict[int | str, dict[str, object]] = {
    422: {"model": Problem, "description": "The request is not valid; the detail names the field."},
    503: {"model": Problem, "description": "Overloaded or not ready; try again after Retry-After."},
}


@router.post(
    "/search",
    response_class=Response,
    responses={200: {"model": SearchResponse, "description": "The nearest products, best first."}, **_REFUSALS},
)
async def search(body: SearchRequest, request: Request) -> Response:
    """Find the products nearest to a query."""
    started_at = time.perf_counter()
    service = service_of(request)
    query = parse_search(body, service.settings)
    found = await find(request, query)
    return _respond(service, {"query": query.text}, found, started_at)


@router.post(
    "/search/similar",
    response_class=Response,
    responses={
        200: {"model": SimilarResponse, "description": "The nearest other products, best first."},
        404: {"model": Problem, "description": "The served version has no such product."},
        **_REFUSALS,
    },
)
async def search_similar(body: SimilarRequest, request: Request) -> Response:
    """Find the products nearest to a product, which itself is left out."""
    started_at = time.perf_counter()
    found = await find(request, SimilarQuery(body.product_id, parse_page(body)))
    return _respond(service_of(request), {"product_id": body.product_id}, found, started_at)


@router.post(
    IMAGE_SEARCH_PATH,
    response_class=Response,
    responses={
        200: {"model": ImageSearchResponse, "description": "The products with the nearest photos, best first."},
        413: {"model": Problem, "description": "The form is longer than the service takes."},
        **_REFUSALS,
    },
    openapi_extra={"requestBody": IMAGE_FORM_SCHEMA},
)
async def search_image(request: Request) -> Response:
    """Find the products whose photos are nearest to a photo, where the served model takes photos as queries."""
    service = service_of(request)
    check_photos(service)  # before the upload, as is the next line
    with service.uploads.reserve(_upload_bytes(request, service)):
        form = await read_image_form(request)
        started_at = time.perf_counter()
        found = await find_by_photo(request, form.image, parse_page(form))
    return _respond(service, {}, found, started_at)


@router.post(
    "/search/batch",
    response_class=Response,
    responses={200: {"model": BatchResponse, "description": "An answer for each search, in their order."}, **_REFUSALS},
)
async def search_batch(body: BatchRequest, request: Request) -> Response:
    """Answer several searches; one that fails does not affect the others."""
    started_at = time.perf_counter()
    service = service_of(request)
    queries = parse_batch(body.searches, service.settings)
    readable = [query for query in queries if not isinstance(query, ServiceError)]
    found = iter(await find_all(request, readable))
    outcomes = [query if isinstance(query, ServiceError) else next(found) for query in queries]
    took_seconds = time.perf_counter() - started_at
    service.metrics.record_total(took_seconds)
    asked = [
        asked_text(search, service.settings) if isinstance(query, ServiceError) else query.text
        for search, query in zip(body.searches, queries, strict=True)
    ]
    results = [
        render_failed_search(text, outcome)
        if isinstance(outcome, ServiceError)
        else render_hits({"query": text}, outcome, took_seconds)
        for text, outcome in zip(asked, outcomes, strict=True)
    ]
    content = b'{"took_ms":%.3f,"results":[%b]}' % (took_seconds * 1000, b",".join(results))
    return Response(content, media_type="application/json")


def _upload_bytes(request: Request, service: SearchService) -> int:
    """Return the announced length of the body, or the most that it may have; longer ones were refused before."""
    announced = request.headers.get("content-length")
    return int(announced) if announced else service.settings.max_photo_mb * 1_000_000


def _respond(service: SearchService, asked: dict[str, str], found: RenderedAnswer, started_at: float) -> Response:
    took_seconds = time.perf_counter() - started_at
    service.metrics.record_total(took_seconds)
    return Response(render_hits(asked, found, took_seconds), media_type="application/json")
