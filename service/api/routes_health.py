"""GET /health, /ready and /metrics, for monitoring and load balancers."""

from fastapi import APIRouter, Request
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.responses import Response

from service.api.schemas import Problem
from service.api.schemas_admin import HealthResponse, ReadyResponse
from service.core.errors import NotReadyError
from service.dispatch.changes import ServiceState
from service.dispatch.search_service import service_of

router = APIRouter()


@router.get("/health")
async def health(request: Request) -> HealthResponse:
    """Answer 200 in every state: the process is alive."""
    swapper = service_of(request).swapper
    return HealthResponse(
        state=swapper.state.value,
        index_version=swapper.served.version_id if swapper.served else None,
        reason=None if swapper.served else swapper.reason,
    )


@router.get("/ready", responses={503: {"model": Problem, "description": "Searches should not be sent here."}})
async def ready(request: Request) -> ReadyResponse:
    """Answer 200 when searches can be sent here, and 503 until a version is served and while the process drains."""
    swapper = service_of(request).swapper
    if swapper.state is ServiceState.DRAINING:
        raise NotReadyError("the process is about to stop")
    if swapper.served is None:
        raise NotReadyError(swapper.reason)
    return ReadyResponse(state="serving", index_version=swapper.served.version_id)


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"description": "The text format of Prometheus.", "content": {"text/plain": {}}}},
)
async def metrics(request: Request) -> Response:
    """Return the metrics of this process in the text format of Prometheus."""
    return Response(service_of(request).metrics.render(), media_type=CONTENT_TYPE_LATEST)
