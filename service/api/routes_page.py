"""The web pages: HTML, style sheets and JavaScript modules of service/web, sent as they are."""

import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

router = APIRouter(include_in_schema=False)

_FOLDER = Path(__file__).parents[1] / "web"
_PAGES = {"/": "search.html", "/compare": "compare.html", "/admin": "admin.html"}
_MEDIA_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
PAGE_HEADERS = {
    # In addition to the policy of every answer (security_headers.py): the browser never parses text as HTML.
    "Content-Security-Policy": "require-trusted-types-for 'script'; trusted-types 'none'",
    "Cache-Control": "no-cache",  # revalidated each time, which is answered with 304
}


def _answer_with(name: str) -> Callable[[Request], Awaitable[Response]]:
    """Return a route that answers with a file, which is read only once."""
    content = (_FOLDER / name).read_bytes()
    headers = {**PAGE_HEADERS, "ETag": f'"{hashlib.sha256(content).hexdigest()[:32]}"'}
    media_type = _MEDIA_TYPES[Path(name).suffix]

    async def answer(request: Request) -> Response:
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=media_type, headers=headers)

    return answer


_ASSETS = {
    path.name: _answer_with(path.name) for path in sorted(_FOLDER.iterdir()) if path.suffix in (".css", ".js", ".svg")
}

for _path, _name in _PAGES.items():
    router.add_api_route(_path, _answer_with(_name), methods=["GET"], response_class=Response)


@router.get("/web/{name}", response_class=Response)
async def show_asset(name: str, request: Request) -> Response:
    """Return a style sheet, module or picture of the pages."""
    if name not in _ASSETS:
        raise HTTPException(404)
    return await _ASSETS[name](request)
