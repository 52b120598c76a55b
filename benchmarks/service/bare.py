"""The bound of every service in Python: a FastAPI endpoint that reads a request and returns bytes that are ready."""

from pathlib import Path
from typing import Annotated

import typer
import uvicorn
from fastapi import FastAPI, Request
from starlette.responses import Response


def create_app(answer: bytes) -> FastAPI:
    """An application that gives this answer to every search."""
    app = FastAPI(telemetry={"tracing": False, "metrics": False, "logs": False})  # as Vitrine's

    @app.post("/search")
    async def search(request: Request) -> Response:
        await request.body()
        return Response(answer, media_type="application/json")

    return app


def main(
    answer: Annotated[Path, typer.Option(help="A file of what is answered.")],
    port: Annotated[int, typer.Option(help="Of 127.0.0.1.")],
) -> None:
    """Serve it under uvicorn as Vitrine is served."""
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
