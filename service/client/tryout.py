"""The command `python -m service try`: sends searches to a running service and shows what they find."""

import json
import shlex
import time
from collections.abc import Callable, Mapping, Sequence

from service.api.schemas import Hit, SearchResponse
from service.client.calls import ClientError, ProblemError
from service.client.client import Client

_POLL_SECONDS = 0.2


class TryoutError(Exception):
    """The service cannot be reached, is not ready in time, or refuses a search."""


def try_service(
    url: str, queries: Sequence[str], *, top: int, wait_seconds: float, show: Callable[[str], None]
) -> None:
    """Wait until a service is ready, then show what each query finds and the `curl` line that repeats it.

    Raises:
        TryoutError: The service is not ready in time, or a search fails.
    """
    url = url.rstrip("/")
    with Client(url, attempts=1) as client:
        _wait_until_ready(client, url, wait_seconds)
        for query in queries:
            show(_describe(_search(client, query, top)))
            show(f"  {_curl(url, {'query': query, 'k': top})}\n")


def _wait_until_ready(client: Client, url: str, wait_seconds: float) -> None:
    give_up_at = time.monotonic() + wait_seconds
    while True:
        try:
            client.ready()
            return
        except ClientError as error:
            reason = error.problem.detail if isinstance(error, ProblemError) else str(error)
        if time.monotonic() >= give_up_at:
            raise TryoutError(f"{url} is not ready after {wait_seconds:g} s: {reason}")
        time.sleep(_POLL_SECONDS)


def _search(client: Client, query: str, top: int) -> SearchResponse:
    try:
        return client.search(query, top)
    except ClientError as error:
        raise TryoutError(f"the search for {query!r} failed: {error}") from error


def _describe(found: SearchResponse) -> str:
    counted = f"{len(found.hits)} products in {found.took_ms:.1f} ms"
    lines = [f"{found.query}: {counted}, version {found.index_version}"]
    return "\n".join([*lines, *map(_hit_line, found.hits)])


def _hit_line(hit: Hit) -> str:
    price = (hit.model_extra or {}).get("price")
    shown_price = f"  {price}" if price is not None else ""
    return f"  {hit.rank:>3}  {hit.score:.4f}  {hit.title}  [{hit.product_id}]{shown_price}"


def _curl(url: str, body: Mapping[str, object]) -> str:
    content = shlex.quote(json.dumps(body, ensure_ascii=False))
    return f"curl -s {shlex.quote(f'{url}/search')} -H 'Content-Type: application/json' -d {content}"
