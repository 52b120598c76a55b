"""The admin routes that show all versions of the store: their figures and recall curves."""

from fastapi import Request
from starlette.responses import Response

from artifacts.checksums import verify_files
from artifacts.errors import ArtifactError, StoreError
from artifacts.index_version import CURVE_FILE
from artifacts.manifest import read_manifest
from artifacts.store import VERSIONS_FOLDER, Store
from artifacts.version_order import in_order
from service.api.auth import admin_router
from service.api.schemas import Problem
from service.api.schemas_page import VersionFigures, VersionInfo, VersionsResponse
from service.core.errors import UnknownVersionError, VersionRefusedError
from service.core.store_paths import without_store_path
from service.core.threads import run_in_daemon_thread
from service.dispatch.search_service import service_of

router = admin_router(
    "/admin/versions",
    responses={
        401: {"model": Problem, "description": "The token is missing or wrong."},
        404: {"model": Problem, "description": "The admin routes are off, or there is no such version or picture."},
    },
)
_THREAD = "vitrine-versions"


@router.get("")
async def show_versions(request: Request) -> VersionsResponse:
    """Show the figures of all versions from their manifests, newest first; those without a readable one come last.

    The files are not verified for this.
    """
    store = service_of(request).store

    def read() -> list[VersionInfo]:
        ordered, unreadable = in_order(store.path / VERSIONS_FOLDER / version_id for version_id in store.version_ids())
        return [_describe(store, version_id) for version_id in (*reversed(ordered), *unreadable)]

    return VersionsResponse(versions=await run_in_daemon_thread(read, _THREAD))


@router.get(
    "/{version}/curve",
    response_class=Response,
    responses={
        200: {"content": {"image/png": {}}, "description": "Recall against time, as a picture."},
        422: {"model": Problem, "description": "The picture is damaged."},
    },
)
async def show_curve(version: str, request: Request) -> Response:
    """Return the recall curve of a version as a picture."""
    store = service_of(request).store
    content = await run_in_daemon_thread(lambda: _read_curve(store, version), _THREAD)
    return Response(content, media_type="image/png")


def _read_curve(store: Store, version_id: str) -> bytes:
    try:
        path = store.version_path(version_id)
        record = read_manifest(path).files.get(CURVE_FILE)
        if record is None:
            raise UnknownVersionError(f"version {version_id} has no {CURVE_FILE}")
        verify_files(path, {CURVE_FILE: record})
        return (path / CURVE_FILE).read_bytes()
    except StoreError as error:
        raise UnknownVersionError(without_store_path(error, store.path)) from error
    except ArtifactError as error:
        raise VersionRefusedError(without_store_path(error, store.path)) from error


def _describe(store: Store, version_id: str) -> VersionInfo:
    try:
        manifest = read_manifest(store.version_path(version_id))
    except ArtifactError as error:
        return VersionInfo(version=version_id, fault=without_store_path(error, store.path))
    index = manifest.index
    chosen = index.chosen
    return VersionInfo(
        version=version_id,
        figures=VersionFigures(
            created_at=manifest.created_at,
            model=manifest.model.name,
            model_fingerprint=manifest.model.fingerprint,
            width=manifest.width,
            count=manifest.count,
            index_type=index.factory,
            nprobe=index.nprobe,
            k_factor=index.k_factor,
            ef_search=index.ef_search,
            target_recall=index.target_recall,
            recall_at_100=index.recall_at_100,
            ms_per_query=chosen.ms_per_query if chosen else None,
            size_bytes=sum(record.size_bytes for record in manifest.files.values()),
            photos_usable=manifest.photos.usable,
            photos_absent=manifest.photos.absent,
            photos_unusable=manifest.photos.unusable,
            has_curve=CURVE_FILE in manifest.files,
            canary_queries=[canary.query for canary in manifest.canaries],
        ),
    )
