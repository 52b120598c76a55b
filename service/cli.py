"""The commands of `python -m service`: `serve`, and `try` for a running service."""

from pathlib import Path
from typing import Annotated, NoReturn

import typer

from service.core.errors import SettingsError
from service.core.logs import set_up_logs
from service.core.settings import read_settings

app = typer.Typer(no_args_is_help=True, add_completion=False, help="The search service.")

_DEFAULT_QUERIES = ["red running shoes", "black leather handbag"]


@app.command()
def serve(
    store: Annotated[Path | None, typer.Option(help="Folder of index versions [VITRINE_STORE]")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on [VITRINE_HOST]")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on [VITRINE_PORT]")] = None,
) -> None:
    """Serve searches until a signal stops it. Settings come from VITRINE_* variables; options override them."""
    from service.server import run

    try:
        settings = read_settings({"store": store, "host": host, "port": port})
        set_up_logs(settings.log_format)
        run(settings)
    except SettingsError as error:
        _refuse(error.faults)


@app.command("try")
def try_search(
    url: Annotated[str, typer.Option(help="Address of the service")] = "http://127.0.0.1:8000",
    query: Annotated[list[str] | None, typer.Option(help="What to search for; may be repeated")] = None,
    top: Annotated[int, typer.Option(min=1, max=1000, help="Products to show per query")] = 5,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait until the service is ready")] = 30,
) -> None:
    """Send searches to a running service and show what they find. The exit code is 1 when one fails."""
    from service.client.tryout import TryoutError, try_service

    try:
        try_service(url, query or _DEFAULT_QUERIES, top=top, wait_seconds=wait, show=typer.echo)
    except TryoutError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error


def _refuse(faults: list[str]) -> NoReturn:
    for fault in faults:
        typer.echo(f"error: {fault}", err=True)
    raise typer.Exit(2)
