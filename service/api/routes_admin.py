"""The admin routes that show the served index version and change it."""

from collections.abc import Coroutine
from functools import partial
from typing import Any

from fastapi import Request
from starlette.responses import JSONResponse, Response

from artifacts.errors import ArtifactError
from artifacts.store import Store
from service.api.auth import admin_router
from service.api.long_changes import accepted_unless_done
from service.api.schemas import Problem
from service.api.schemas_admin import (
    AdminIndexResponse,
    ChangeResponse,
    LastAttempt,
    LoadingResponse,
    ServedIndex,
    SwapRequest,
)
from service.core.threads import run_in_daemon_thread
from service.dispatch.changes import Attempt, Change
from service.dispatch.search_service import SearchService, service_of
from service.protocol.served_version import ServedVersion

router = admin_router(
    "/admin/index",
    responses={
        401: {"model": Problem, "description": "The token is missing or wrong."},
        404: {"model": Problem, "description": "The admin routes are off, or there is no such version."},
    },
)
_ANSWERS: dict[int | str, dict[str, object]] = {
    200: {"model": ChangeResponse, "description": "The version is served."},
    202: {"model": LoadingResponse, "description": "It is still being loaded; GET /admin/index says when it is done."},
    409: {
        "model": Problem,
        "description": "Another change is under way, or there is no earlier version to go back to.",
    },
    422: {"model": Problem, "description": "The version cannot be served; the present one stays."},
}


@router.get("")
async def show_index(request: Request) -> AdminIndexResponse:
    """Show the served version, and those that could be served."""
    service = service_of(request)
    swapper = service.swapper
    published, available = await run_in_daemon_thread(partial(_read_store, service.store), "vitrine-store")
    return AdminIndexResponse(
        state=swapper.state.value,
        served=_to_served_index(swapper.served) if swapper.served else None,
        previous=list(swapper.previous),
        loading=swapper.loading,
        last_attempt=_to_last_attempt(swapper.last_attempt) if swapper.last_attempt else None,
        published=published,
        available=available,
    )


@router.post("/swap", response_class=Response, responses=_ANSWERS)
async def swap(body: SwapRequest, request: Request) -> Response:
    """Load and check a version beside the served one, then send searches to it. The answer comes when that is done."""
    service = service_of(request)
    return await _answer(service, service.swapper.swap(body.version))


@router.post("/rollback", response_class=Response, responses=_ANSWERS)
async def rollback(request: Request) -> Response:
    """Serve the version again that was served before the present one."""
    service = service_of(request)
    return await _answer(service, service.swapper.rollback())


async def _answer(service: SearchService, change: Coroutine[Any, Any, Change]) -> Response:
    """Return what changed, or 202 when the change takes long; it goes on either way."""
    task = service.run_change(change)
    accepted = await accepted_unless_done(task, service.settings, lambda: service.swapper.loading, router.prefix)
    if accepted is not None:
        return accepted
    done = task.result()
    took_seconds = round(done.took_seconds, 3)
    answer = ChangeResponse(
        version=done.version_id,
        replaced=done.replaced,
        took_seconds=took_seconds,
        index_device=str(done.index_device),
    )
    return JSONResponse(answer.model_dump())


def _to_last_attempt(attempt: Attempt) -> LastAttempt:
    return LastAttempt(kind=attempt.kind, version=attempt.version_id, outcome=attempt.outcome, reason=attempt.reason)


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
        encoder_device=str(served.encoder_device),
        index_device=str(served.index_device),
        nprobe=manifest.index.nprobe,
        k_factor=manifest.index.k_factor,
        ef_search=manifest.index.ef_search,
        recall_at_100=manifest.index.recall_at_100,
    )


def _read_store(store: Store) -> tuple[str | None, list[str]]:
    """Return the published version and all versions of the store. Its disk may be slow."""
    try:
        published = store.publication().current
    except ArtifactError:  # CURRENT cannot be read: after a restart no version would be served
        published = None
    return published, store.version_ids()
