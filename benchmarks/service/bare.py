"""The bare endpoint of bench-service: a FastAPI application that answers every request with the same stored bytes.

It does no work for a request and is therefore an upper bound for the throughput of a service in Python.
"""

from pathlib import Path
from typing import Annotated

import typer
import uvicorn
from fastapi import FastAPI, Request
from starlette.responses import Response


def create_app(answer: bytes) -> FastAPI:
    """Return an application that gives this answer to every search."""
    app = FastAPI(telemetry={"tracing": False, "metrics": False, "logs": False})  # the settings of Vitrine's service

    @app.post("/search")
    async def search(request: Request) -> Response:
        await request.body()
        return Response(answer, media_type="application/json")

    return app


def main(
    answer: Annotated[Path, typer.Option(help="File with the body of every answer.")],
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")],
) -> None:
    """Serve the application with the uvicorn settings of Vitrine's service."""
    uvicorn.run(
        create_app(answer.read_bytes()),
        port=port,
        loop="uvloop",
        http="httptools",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
    )


if __name__ == "__main__":
    typer.run(main)
