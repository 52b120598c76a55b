"""Assembles the application: routes, error handlers and middleware."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI

from service.api import (
    routes_admin,
    routes_catalog,
    routes_compare,
    routes_health,
    routes_images,
    routes_judgments,
    routes_page,
    routes_products,
    routes_search,
    routes_versions,
)
from service.api.exception_handlers import add_exception_handlers
from service.api.routes_search import IMAGE_SEARCH_PATH, JSON_SEARCH_PATHS
from service.core.settings import Settings
from service.dispatch.search_service import SearchService
from service.http.admin_port import AdminPort
from service.http.body_encoding import BodyEncoding
from service.http.body_limit import BodyLimit
from service.http.connection_limit import ConnectionLimit
from service.http.fast_json_route import FastJsonRoute, json_endpoints
from service.http.head_requests import HeadRequests
from service.http.openapi import FastAPIWithProblems
from service.http.request_log import RequestLog
from service.http.root_path import RootPath
from service.http.server_errors import ServerErrorHandler
from service.telemetry.tracing import NO_TELEMETRY

MAX_BODY_BYTES = 64 * 1024

# Searches first: routes are matched in this order.
_ROUTES = (
    routes_search,
    routes_products,
    routes_catalog,
    routes_images,
    routes_page,
    routes_health,
    routes_admin,
    routes_versions,
    routes_compare,
    routes_judgments,
)


def create_app(settings: Settings, service: SearchService | None = None, admin_port: int | None = None) -> FastAPI:
    """Return the service as an ASGI application, which loads its version when it is started.

    Args:
        settings: The settings of the process.
        service: The search service; made from the settings by default.
        admin_port: The only port that admin routes and metrics are answered on; None answers them on every port.

    Raises:
        SettingsError: The settings ask for a device that this machine does not have.
    """
    service = service or SearchService(settings)
    app = FastAPIWithProblems(
        title="Vitrine",
        summary="Multimodal product search",
        version=version("vitrine"),
        lifespan=_run_service,
        docs_url=None,  # FastAPI's pages load their scripts from another host; /openapi.json has all they show
        redoc_url=None,
        redirect_slashes=False,
        servers=[{"url": settings.root_path}] if settings.root_path else None,
        telemetry=service.tracing.telemetry() if service.tracing else NO_TELEMETRY,
    )
    app.state.service = service
    for routes in _ROUTES:
        app.router.routes.extend(routes.router.routes)  # an included router would cost each request a second matching
    add_exception_handlers(app)
    # Each middleware is called before those added above it.
    if service.tracing is None:  # FastAPI's tracing names a request's span by the route that FastAPI matched
        app.add_middleware(FastJsonRoute, endpoints=json_endpoints(routes_search.router.routes, JSON_SEARCH_PATHS))
    app.add_middleware(BodyEncoding)
    app.add_middleware(
        BodyLimit, max_bytes=MAX_BODY_BYTES, max_bytes_at={IMAGE_SEARCH_PATH: settings.max_photo_mb * 1_000_000}
    )
    if admin_port is not None:
        app.add_middleware(AdminPort, admin_port=admin_port)
    app.add_middleware(ConnectionLimit)
    app.add_middleware(ServerErrorHandler)
    app.add_middleware(HeadRequests)
    if settings.root_path:
        app.add_middleware(RootPath, root_path=settings.root_path)
    app.add_middleware(  # outermost, so that it counts every answer
        RequestLog,
        metrics=service.metrics,
        is_draining=lambda: service.swapper.is_draining,
        log_all=settings.log_requests,
    )
    return app


@asynccontextmanager
async def _run_service(app: FastAPI) -> AsyncIterator[None]:
    service: SearchService = app.state.service
    await service.start()
    yield
    await service.stop()
