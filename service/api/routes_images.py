"""GET /images/{product_id}: photos of products, resized."""

import json
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from service.api.schemas import Problem
from service.api.search_client import ask
from service.core.errors import UnknownProductError
from service.dispatch.search_service import service_of
from service.protocol.queries import ImageQuery
from service.shop_data.photos import EDGES

router = APIRouter()
_CACHE_CONTROL = "max-age=3600"


@router.get(
    "/images/{product_id:path}",
    response_class=Response,
    responses={
        200: {"content": {"image/webp": {}}, "description": "The product's photo, resized."},
        304: {"description": "The photo that the caller has is still the same."},
        404: {"model": Problem, "description": "There is no such product, or it has no photo that can be shown."},
        422: {"model": Problem, "description": "The request is not valid."},
        503: {"model": Problem, "description": "Overloaded or not ready; try again after Retry-After."},
    },
)
async def show_image(
    product_id: str,
    request: Request,
    size: Annotated[Literal["small", "large"], Query(description="Longest edge: 400 or 1000 pixels.")] = "small",
) -> Response:
    """Return a product's photo, resized as a whole and turned upright."""
    picture = await service_of(request).photos.picture(await _image_of(product_id, request), EDGES[size])
    headers = {"Cache-Control": _CACHE_CONTROL, "ETag": f'"{picture.tag}"'}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(picture.content, media_type="image/webp", headers=headers)


async def _image_of(product_id: str, request: Request) -> str | None:
    """Return the image entry of a product of the served version or, if that has no such product, of the second one."""
    service, query = service_of(request), ImageQuery(product_id)
    try:
        answer = await ask(request, query, service.lookup_batcher)
    except UnknownProductError:
        if service.comparison.version is None:
            raise
        answer = await ask(request, query, service.comparison.use_batcher())
    image: str | None = json.loads(answer.content)
    return image
