"""Answers to requests that start a change which may take longer than a client should wait: 202, and where to ask."""

import asyncio
from collections.abc import Callable
from typing import Any

from starlette.responses import JSONResponse, Response

from service.api.schemas_admin import LoadingResponse
from service.core.settings import Settings


async def accepted_unless_done(
    task: "asyncio.Task[Any]", settings: Settings, loading: Callable[[], str | None], status_path: str
) -> Response | None:
    """Wait for a change, which goes on even if the client does not wait for it.

    Args:
        task: The change.
        settings: Say how long to wait, and the prefix of all paths.
        loading: Returns the version that is being loaded, once the wait is over.
        status_path: The route that says what became of the change.

    Returns:
        None when the change is done, successfully or not; otherwise the answer 202 (accepted) with `status_path`.
    """
    await asyncio.wait({task}, timeout=settings.swap_wait_seconds)
    if task.done():
        return None
    content = LoadingResponse(loading=loading() or "", ask=status_path)
    location = f"{settings.root_path or ''}{status_path}"
    return JSONResponse(content.model_dump(), status_code=202, headers={"Location": location})
