"""GET /health, /ready and /metrics: for those who run the service."""

from fastapi import APIRouter, Request
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.responses import Response

from service.api.schemas import HealthResponse, Problem, ReadyResponse
from service.core.errors import NotReadyError
from service.dispatch.search_service import service_of
from service.dispatch.swapper import ServiceState

router = APIRouter()


@router.get("/health")
async def health(request: Request) -> HealthResponse:
    """Whether the process is alive: 200 in every state."""
    swapper = service_of(request).swapper
    return HealthResponse(
        state=swapper.state.value,
        index_version=swapper.served.version_id if swapper.served else None,
        reason=None if swapper.served else swapper.reason,
    )


@router.get("/ready", responses={503: {"model": Problem, "description": "Send no searches here."}})
async def ready(request: Request) -> ReadyResponse:
    """Whether searches should be sent here: 503 until a version is served, and while draining."""
    swapper = service_of(request).swapper
    if swapper.state is ServiceState.DRAINING:
        raise NotReadyError("the process is about to stop")
    if swapper.served is None:
        raise NotReadyError(swapper.reason)
    return ReadyResponse(state="serving", index_version=swapper.served.version_id)


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"description": "In Prometheus' own format.", "content": {"text/plain": {}}}},
)
async def metrics(request: Request) -> Response:
    """The numbers of this process in the text format of Prometheus."""
    return Response(service_of(request).metrics.render(), media_type=CONTENT_TYPE_LATEST)
