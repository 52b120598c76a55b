"""Searches from outside, for people: what did the service find?"""

import json
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import httpx

_POLL_SECONDS = 0.2
_TIMEOUT_SECONDS = 10.0


class TryoutError(Exception):
    """The service cannot be reached, is not ready in time, or refuses a search."""


def try_service(
    url: str, queries: Sequence[str], *, top: int, wait_seconds: float, show: Callable[[str], None]
) -> None:
    """Wait until a service is ready, search, and show what each query finds and how to repeat it.

    Raises:
        TryoutError: The service is not ready in time, or a search fails.
    """
    url = url.rstrip("/")
    with httpx.Client(base_url=url, timeout=_TIMEOUT_SECONDS) as client:
        _wait_until_ready(client, url, wait_seconds)
        for query in queries:
            body = {"query": query, "k": top}
            show(_describe(_search(client, body)))
            show(f"  {_curl(url, body)}\n")


def _wait_until_ready(client: httpx.Client, url: str, wait_seconds: float) -> None:
    give_up_at = time.monotonic() + wait_seconds
    while True:
        try:
            answer = client.get("/ready")
            if answer.is_success:
                return
            reason = _detail(answer)
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
        if time.monotonic() >= give_up_at:
            raise TryoutError(f"{url} is not ready after {wait_seconds:g} s: {reason}")
        time.sleep(_POLL_SECONDS)


def _search(client: httpx.Client, body: Mapping[str, object]) -> Mapping[str, Any]:
    try:
        answer = client.post("/search", json=body)
    except httpx.HTTPError as error:
        raise TryoutError(f"the search for {body['query']!r} failed: {error}") from error
    if not answer.is_success:
        reason = f"{answer.status_code}: {_detail(answer)}"
        raise TryoutError(f"the search for {body['query']!r} failed with {reason}")
    content: Mapping[str, Any] = answer.json()
    return content


def _detail(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return answer.text[:200]


def _describe(content: Mapping[str, Any]) -> str:
    found = f"{len(content['hits'])} products in {content['took_ms']:.1f} ms"
    lines = [f"{content['query']}: {found}, version {content['index_version']}"]
    return "\n".join([*lines, *(_hit_line(hit) for hit in content["hits"])])


def _hit_line(hit: Mapping[str, Any]) -> str:
    price = f"  {hit['price']}" if hit.get("price") is not None else ""
    return f"  {hit['rank']:>3}  {hit['score']:.4f}  {hit['title']}  [{hit['product_id']}]{price}"


def _curl(url: str, body: Mapping[str, object]) -> str:
    content = shlex.quote(json.dumps(body, ensure_ascii=False))
    return f"curl -s {shlex.quote(f'{url}/search')} -H 'Content-Type: application/json' -d {content}"
