"""The prefix under which a reverse proxy shows the service: `/vitrine` where its pages are at `/vitrine/`."""

from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send


class RootPath:
    """ASGI middleware: takes the prefix off the paths of requests, whether or not the proxy has done so already.

    Args:
        app: The application, which knows of no prefix.
        root_path: The prefix, with a slash in front and none behind.
    """

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        self._app = app
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on. The prefix alone is redirected to its page, whose addresses are relative to it."""
        if scope["type"] == "http" and scope["path"] == self._root_path:
            await RedirectResponse(f"{self._root_path}/", status_code=308)(scope, receive, send)
            return
        if scope["type"] == "http" and scope["path"].startswith(f"{self._root_path}/"):
            scope["path"] = scope["path"].removeprefix(self._root_path)
            scope["raw_path"] = scope["raw_path"].removeprefix(self._root_path.encode())
        await self._app(scope, receive, send)
