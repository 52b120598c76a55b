"""Searches of a running service, many in a request."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from vitrine.errors import UpError

DEPTH = 10  # first hits that count: a page of results
_A_REQUEST = 50  # searches
_TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True)
class Found:
    """The first hits of a search, as the service gives them; None where it refused the query."""

    index_version: str
    hits: list[dict[str, Any]] | None


def search_all(url: str, queries: Sequence[str], ranking: str | None = None) -> list[Found]:
    """Ask a service for the first hits of every query, in their order, by its default ranking or another.

    Raises:
        UpError: the service cannot be reached, or refuses all.
    """
    found: list[Found] = []
    ranked = {"ranking": ranking} if ranking else {}
    with httpx.Client(base_url=url, timeout=_TIMEOUT_SECONDS, trust_env=False) as client:
        for start in range(0, len(queries), _A_REQUEST):
            searches = [{"query": query, "k": DEPTH, **ranked} for query in queries[start : start + _A_REQUEST]]
            try:
                answer = client.post("/search/batch", json={"searches": searches})
            except httpx.TransportError as error:
                raise UpError(f"{url} did not answer a search: {error}") from error
            if not answer.is_success:
                raise UpError(f"{url} refused searches with status {answer.status_code}: {answer.text[:300]}")
            found += [Found(one.get("index_version", ""), one.get("hits")) for one in answer.json()["results"]]
    return found
