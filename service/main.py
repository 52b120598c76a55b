"""The application, assembled."""

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
from service.api.problems import add_problem_handlers
from service.api.routes_search import IMAGE_SEARCH_PATH
from service.core.settings import Settings
from service.dispatch.search_service import SearchService
from service.http.admin_port import AdminPort
from service.http.body_limit import BodyLimit
from service.http.fast_json_route import Shortcut
from service.http.openapi import DescribedApp
from service.http.request_log import RequestLog
from service.http.server_errors import LastResort
from service.telemetry.tracing import NO_TELEMETRY

MAX_BODY_BYTES = 64 * 1024

# Those of searches first: a request is held against one after the other.
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
    """The service as an ASGI application; it loads its version when the application is started.

    Args:
        settings: Of the process.
        service: What to serve with; made from the settings by default.
        admin_port: On which alone the admin routes and metrics are answered; None answers all routes everywhere.

    Raises:
        SettingsError: The settings ask for a device that is not there.
    """
    service = service or SearchService(settings)
    app = DescribedApp(
        title="Vitrine",
        summary="Multimodal product search",
        version=version("vitrine"),
        lifespan=_run_service,
        docs_url=None,  # FastAPI's pages load their scripts from another host; /openapi.json has all they show
        redoc_url=None,
        redirect_slashes=False,
        telemetry=service.tracing.telemetry() if service.tracing else NO_TELEMETRY,
    )
    app.state.service = service
    for routes in _ROUTES:
        app.router.routes.extend(routes.router.routes)  # an included router costs each request a search of its own
    add_problem_handlers(app)
    # The last one added comes first.
    app.add_middleware(
        BodyLimit, max_bytes=MAX_BODY_BYTES, max_bytes_at={IMAGE_SEARCH_PATH: settings.max_photo_mb * 1_000_000}
    )
    if admin_port is not None:
        app.add_middleware(AdminPort, admin_port=admin_port)
    if service.tracing is None:  # the framework names a request's span by the route that it found itself
        app.add_middleware(Shortcut, routes=routes_search.router.routes, max_bytes=MAX_BODY_BYTES)
    app.add_middleware(LastResort)
    app.add_middleware(  # outermost: it sees all
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
