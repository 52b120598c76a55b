"""The admin routes of relevance labels: set them, show them, and export them for the evaluation."""

from fastapi import Request
from starlette.responses import Response

from artifacts.judgments import Relevance
from service.api.auth import admin_router
from service.api.query_parsing import parse_text
from service.api.schemas import Problem
from service.api.schemas_page import CountsResponse, JudgmentRequest, LabelsResponse
from service.api.search_client import ask
from service.core.errors import JudgingOffError
from service.core.threads import run_in_daemon_thread
from service.dispatch.search_service import service_of
from service.protocol.queries import ProductQuery
from service.shop_data.judgments import JudgmentFile

router = admin_router(
    "/admin/judgments",
    responses={
        401: {"model": Problem, "description": "The token is missing or wrong."},
        404: {"model": Problem, "description": "The admin routes or judging are off, or there is no such product."},
        422: {"model": Problem, "description": "The request is not valid."},
        503: {"model": Problem, "description": "Overloaded or not ready; try again after Retry-After."},
    },
)
_THREAD = "vitrine-judgments"


@router.get(
    "",
    response_class=Response,
    responses={200: {"content": {"application/vnd.apache.parquet": {}}, "description": "judgments.parquet"}},
)
async def export(request: Request) -> Response:
    """Return all labels as a Parquet file that the evaluation reads."""
    content = await run_in_daemon_thread(_file_of(request).export, _THREAD)
    headers = {"Content-Disposition": 'attachment; filename="judgments.parquet"', "Cache-Control": "no-store"}
    return Response(content, media_type="application/vnd.apache.parquet", headers=headers)


@router.put("")
async def judge(body: JudgmentRequest, request: Request) -> LabelsResponse:
    """Set the label of a product for a query, or remove it with null. Returns all labels of the query."""
    file = _file_of(request)
    query = parse_text(body.query, service_of(request).settings)
    lookup = ProductQuery(body.product_id)  # which refuses an unknown product
    answer = await ask(request, lookup, service_of(request).lookup_batcher)
    label = Relevance(body.label) if body.label else None

    def keep() -> dict[str, str]:
        file.put(query, body.product_id, label, body.index_version or answer.version_id)
        return file.labels(query)

    return LabelsResponse(query=query, labels=await run_in_daemon_thread(keep, _THREAD))


@router.get("/labels")
async def show_labels(query: str, request: Request) -> LabelsResponse:
    """Show the labels of a query by product."""
    file = _file_of(request)
    text = parse_text(query, service_of(request).settings)
    return LabelsResponse(query=text, labels=await run_in_daemon_thread(lambda: file.labels(text), _THREAD))


@router.get("/counts")
async def show_counts(request: Request) -> CountsResponse:
    """Show how many queries and labels there are."""
    queries, labels = await run_in_daemon_thread(_file_of(request).counts, _THREAD)
    return CountsResponse(queries=queries, labels=labels)


def _file_of(request: Request) -> JudgmentFile:
    file = service_of(request).judgments
    if file is None:
        raise JudgingOffError("judging is off; VITRINE_JUDGMENTS names the file that keeps the labels")
    return file
