"""The admin routes: which index version is served, and which should be."""

from fastapi import APIRouter, Depends, Request

from artifacts.errors import ArtifactError
from service.auth import require_admin
from service.schemas import AdminIndexResponse, ChangeResponse, Problem, ServedIndex, SwapRequest
from service.search_service import SearchService, service_of
from service.swapper import Change, ServedVersion

router = APIRouter(
    prefix="/admin/index",
    dependencies=[Depends(require_admin)],
    responses={
        401: {"model": Problem, "description": "The token is missing or wrong."},
        404: {"model": Problem, "description": "The admin routes are off, or there is no such version."},
    },
)
_REFUSALS: dict[int | str, dict[str, object]] = {
    409: {"model": Problem, "description": "Another change is under way, or there is nothing to go back to."},
    422: {"model": Problem, "description": "The version cannot be served; the present one still is."},
}


@router.get("")
async def show_index(request: Request) -> AdminIndexResponse:
    """What is served, and what could be."""
    service = service_of(request)
    swapper = service.swapper
    return AdminIndexResponse(
        state=swapper.state.value,
        served=_to_served_index(swapper.served) if swapper.served else None,
        previous=list(swapper.previous),
        loading=swapper.loading,
        published=_published(service),
        available=service.store.version_ids(),
    )


@router.post("/swap", responses=_REFUSALS)
async def swap(body: SwapRequest, request: Request) -> ChangeResponse:
    """Serve a version: loaded and checked beside the present one, answered when searches go to it."""
    return _to_response(await service_of(request).swapper.swap(body.version))


@router.post("/rollback", responses=_REFUSALS)
async def rollback(request: Request) -> ChangeResponse:
    """Serve again what was served before."""
    return _to_response(await service_of(request).swapper.rollback())


def _to_response(change: Change) -> ChangeResponse:
    return ChangeResponse(
        version=change.version_id, replaced=change.replaced, took_seconds=round(change.took_seconds, 3)
    )


def _to_served_index(served: ServedVersion) -> ServedIndex:
    manifest = served.manifest
    return ServedIndex(
        version=served.version_id,
        created_at=manifest.created_at,
        loaded_at=served.loaded_at,
        model=manifest.model.name,
        model_fingerprint=manifest.model.fingerprint,
        width=manifest.width,
        count=manifest.count,
        index_type=manifest.index.factory,
        index_device=served.index_device.value,
        nprobe=manifest.index.nprobe,
        k_factor=manifest.index.k_factor,
        recall_at_100=manifest.index.recall_at_100,
    )


def _published(service: SearchService) -> str | None:
    try:
        return service.store.publication().current
    except ArtifactError:  # CURRENT is unreadable: a restart would serve nothing
        return None
