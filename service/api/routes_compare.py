"""The admin routes of a second version, which is loaded to be compared with the served one."""

import time

from fastapi import Request
from starlette.responses import JSONResponse, Response

from service.api.auth import admin_router
from service.api.long_changes import accepted_unless_done
from service.api.query_parsing import parse_search
from service.api.rendering import render_hits
from service.api.schemas import Problem, SearchRequest, SearchResponse
from service.api.schemas_admin import LoadingResponse, SwapRequest
from service.api.schemas_page import ComparisonResponse
from service.api.search_client import ask
from service.dispatch.comparison import IDLE_SECONDS
from service.dispatch.search_service import SearchService, service_of

router = admin_router(
    "/admin/compare",
    responses={
        401: {"model": Problem, "description": "The token is missing or wrong."},
        404: {"model": Problem, "description": "The admin routes are off, or there is no such version."},
    },
)


@router.get("")
async def show_comparison(request: Request) -> ComparisonResponse:
    """Show which second version is loaded."""
    return _describe(service_of(request))


@router.post(
    "/load",
    response_class=Response,
    responses={
        200: {"model": ComparisonResponse, "description": "The version can be searched."},
        202: {
            "model": LoadingResponse,
            "description": "It is still being loaded; GET /admin/compare says when it is done.",
        },
        409: {"model": Problem, "description": "Another second version is being loaded."},
        422: {"model": Problem, "description": "It cannot be loaded, or takes too much memory."},
    },
)
async def load(body: SwapRequest, request: Request) -> Response:
    """Load a second version; one that was loaded before is unloaded."""
    service = service_of(request)
    task = service.comparison.start_loading(body.version)
    accepted = await accepted_unless_done(task, service.settings, lambda: service.comparison.loading, router.prefix)
    if accepted is not None:
        return accepted
    task.result()
    return JSONResponse(_describe(service).model_dump())


@router.post("/unload")
async def unload(request: Request) -> ComparisonResponse:
    """Unload the second version and free its memory."""
    service = service_of(request)
    await service.comparison.unload()
    return _describe(service)


@router.post(
    "/search",
    response_class=Response,
    responses={
        200: {"model": SearchResponse, "description": "The nearest products of the second version, best first."},
        409: {"model": Problem, "description": "No second version is loaded."},
        422: {"model": Problem, "description": "The request is not valid; the detail names the field."},
        503: {"model": Problem, "description": "Overloaded; try again after Retry-After."},
    },
)
async def search(body: SearchRequest, request: Request) -> Response:
    """Find the products nearest to a query in the second version."""
    started_at = time.perf_counter()
    service = service_of(request)
    query = parse_search(body, service.settings)
    answer = await ask(request, query, service.comparison.use_batcher())
    content = render_hits({"query": query.text}, answer, time.perf_counter() - started_at)
    return Response(content, media_type="application/json")


def _describe(service: SearchService) -> ComparisonResponse:
    comparison = service.comparison
    version = comparison.version
    return ComparisonResponse(
        version=version.version_id if version else None,
        model=version.manifest.model.name if version else None,
        loading=comparison.loading,
        most_mb=service.settings.compare_mb,
        idle_seconds=IDLE_SECONDS,
    )
