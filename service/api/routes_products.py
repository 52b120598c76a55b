"""GET /products/{product_id}: one product of the served version."""

import json

from fastapi import APIRouter, Request
from starlette.responses import Response

from service.api.schemas import Problem, ProductResponse
from service.api.search_client import ask
from service.dispatch.search_service import service_of
from service.protocol.queries import ProductQuery

router = APIRouter()


@router.get(
    "/products/{product_id:path}",
    response_class=Response,
    responses={
        200: {"model": ProductResponse, "description": "The product's row."},
        404: {"model": Problem, "description": "The served version has no such product."},
        422: {"model": Problem, "description": "The request is not valid."},
        503: {"model": Problem, "description": "Overloaded or not ready; try again after Retry-After."},
    },
)
async def show_product(product_id: str, request: Request) -> Response:
    """Return the row of a product in the served version."""
    answer = await ask(request, ProductQuery(product_id), service_of(request).lookup_batcher)
    content = b'{"index_version":%b,"product":%b}' % (
        json.dumps(answer.version_id).encode(),
        answer.content,
    )
    return Response(content, media_type="application/json")
