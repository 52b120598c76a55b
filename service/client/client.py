"""Clients of the search service for programs: `Client`, and `AsyncClient` with the same methods as coroutines.

    with Client("http://127.0.0.1:8000") as client:
        for hit in client.search("red running shoes", k=10, filters={"in_stock": True}).hits:
            print(hit.rank, hit.score, hit.title)

A request is sent again when the service answers 503 (overloaded or not ready) or the connection breaks: after the time
in Retry-After, or else after a time that doubles. No request changes anything, so that repeating one is safe.
"""

import asyncio
import json
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Generic, Self, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError

from service.api.schemas import (
    DEFAULT_K,
    BatchResponse,
    ImageSearchResponse,
    Problem,
    ProductResponse,
    SearchResponse,
    SimilarResponse,
)
from service.api.schemas_admin import HealthResponse, ReadyResponse
from service.protocol.queries import RankedBy

FIRST_WAIT_SECONDS = 0.1  # before the second attempt, unless the service sends Retry-After
LONGEST_WAIT_SECONDS = 10.0  # also where Retry-After is longer

Answer = TypeVar("Answer", bound=BaseModel)
Filters = Mapping[str, Any]
_Outcome = httpx.Response | httpx.TransportError


class ClientError(Exception):
    """The service cannot be reached, or its answer is not one of a search service."""


class ProblemError(ClientError):
    """The service refused a request.

    Attributes:
        problem: The problem detail of its answer; see docs/http-api.md.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem.status} {problem.title}: {problem.detail}")
        self.problem = problem


@dataclass(frozen=True)
class Search:
    """One search of a batch."""

    query: str
    k: int = DEFAULT_K
    offset: int = 0
    filters: Filters | None = None
    explain: bool = False
    prior: float = 1.0
    ranking: RankedBy = "cosine"
    correct: bool = True


@dataclass(frozen=True)
class _Call(Generic[Answer]):
    """A request, and the schema of its answer."""

    answer: type[Answer]
    method: str
    path: str
    body: dict[str, Any] | None = None  # sent as JSON
    form: dict[str, Any] | None = None
    files: dict[str, bytes] | None = None  # files of the form


class Client:
    """A client whose methods block until the answer comes.

    Args:
        url: The address of the service.
        timeout_seconds: The time limit of one attempt.
        attempts: How often a request is sent at most, at least 1.
        transport: An httpx transport to use in place of the network.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_seconds: float = 10.0,
        attempts: int = 3,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._http = httpx.Client(base_url=url, timeout=timeout_seconds, transport=transport)
        self._attempts = attempts

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def search(
        self,
        query: str,
        k: int = DEFAULT_K,
        offset: int = 0,
        filters: Filters | None = None,
        explain: bool = False,
        prior: float = 1.0,
        ranking: RankedBy = "cosine",
        correct: bool = True,
    ) -> SearchResponse:
        """Return the products nearest to a text.

        Raises:
            ProblemError: The service refuses the search.
            ClientError: The service cannot be reached.
        """
        return self._send(_search(Search(query, k, offset, filters, explain, prior, ranking, correct)))

    def search_batch(self, searches: Sequence[Search]) -> BatchResponse:
        """Return the answers to several searches, some of which may have failed; see `search` for other errors."""
        return self._send(_search_batch(searches))

    def similar(
        self, product_id: str, k: int = DEFAULT_K, offset: int = 0, filters: Filters | None = None
    ) -> SimilarResponse:
        """Return the products nearest to a product; see `search` for errors."""
        return self._send(_similar(product_id, k, offset, filters))

    def search_image(
        self, image: bytes, k: int = DEFAULT_K, offset: int = 0, filters: Filters | None = None
    ) -> ImageSearchResponse:
        """Return the products whose photos are nearest to a photo, given as the bytes of its file; see `search`."""
        return self._send(_search_image(image, k, offset, filters))

    def product(self, product_id: str) -> ProductResponse:
        """Return the row of a product; see `search` for errors."""
        return self._send(_product(product_id))

    def health(self) -> HealthResponse:
        """Return the state of the process; see `search` for errors."""
        return self._send(_HEALTH)

    def ready(self) -> ReadyResponse:
        """Return the version that answers searches; raises `ProblemError` while the service is not ready."""
        return self._send(_READY)

    def _send(self, call: _Call[Answer]) -> Answer:
        for attempt in range(1, self._attempts):
            outcome = self._try(call)
            if not _is_worth_retrying(outcome):
                return _read(outcome, call)
            time.sleep(_wait_seconds(attempt, outcome))
        return _read(self._try(call), call)

    def _try(self, call: _Call[Any]) -> _Outcome:
        try:
            return self._http.request(call.method, call.path, json=call.body, data=call.form, files=call.files)
        except httpx.TransportError as error:
            return error


class AsyncClient:
    """A client for asyncio; arguments, answers and errors are those of `Client`."""

    def __init__(
        self,
        url: str,
        *,
        timeout_seconds: float = 10.0,
        attempts: int = 3,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._http = httpx.AsyncClient(base_url=url, timeout=timeout_seconds, transport=transport)
        self._attempts = attempts

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def search(
        self,
        query: str,
        k: int = DEFAULT_K,
        offset: int = 0,
        filters: Filters | None = None,
        explain: bool = False,
        prior: float = 1.0,
        ranking: RankedBy = "cosine",
        correct: bool = True,
    ) -> SearchResponse:
        """See `Client.search`."""
        return await self._send(_search(Search(query, k, offset, filters, explain, prior, ranking, correct)))

    async def search_batch(self, searches: Sequence[Search]) -> BatchResponse:
        """See `Client.search_batch`."""
        return await self._send(_search_batch(searches))

    async def similar(
        self, product_id: str, k: int = DEFAULT_K, offset: int = 0, filters: Filters | None = None
    ) -> SimilarResponse:
        """See `Client.similar`."""
        return await self._send(_similar(product_id, k, offset, filters))

    async def search_image(
        self, image: bytes, k: int = DEFAULT_K, offset: int = 0, filters: Filters | None = None
    ) -> ImageSearchResponse:
        """See `Client.search_image`."""
        return await self._send(_search_image(image, k, offset, filters))

    async def product(self, product_id: str) -> ProductResponse:
        """See `Client.product`."""
        return await self._send(_product(product_id))

    async def health(self) -> HealthResponse:
        """See `Client.health`."""
        return await self._send(_HEALTH)

    async def ready(self) -> ReadyResponse:
        """See `Client.ready`."""
        return await self._send(_READY)

    async def _send(self, call: _Call[Answer]) -> Answer:
        for attempt in range(1, self._attempts):
            outcome = await self._try(call)
            if not _is_worth_retrying(outcome):
                return _read(outcome, call)
            await asyncio.sleep(_wait_seconds(attempt, outcome))
        return _read(await self._try(call), call)

    async def _try(self, call: _Call[Any]) -> _Outcome:
        try:
            return await self._http.request(call.method, call.path, json=call.body, data=call.form, files=call.files)
        except httpx.TransportError as error:
            return error


_HEALTH = _Call(HealthResponse, "GET", "/health")
_READY = _Call(ReadyResponse, "GET", "/ready")


def _search(search: Search) -> _Call[SearchResponse]:
    return _Call(SearchResponse, "POST", "/search", asdict(search))


def _search_batch(searches: Sequence[Search]) -> _Call[BatchResponse]:
    return _Call(BatchResponse, "POST", "/search/batch", {"searches": [asdict(search) for search in searches]})


def _similar(product_id: str, k: int, offset: int, filters: Filters | None) -> _Call[SimilarResponse]:
    body = {"product_id": product_id, "k": k, "offset": offset, "filters": filters}
    return _Call(SimilarResponse, "POST", "/search/similar", body)


def _search_image(image: bytes, k: int, offset: int, filters: Filters | None) -> _Call[ImageSearchResponse]:
    form = {"k": k, "offset": offset} | ({} if filters is None else {"filters": json.dumps(filters)})
    return _Call(ImageSearchResponse, "POST", "/search/image", form=form, files={"image": image})


def _product(product_id: str) -> _Call[ProductResponse]:
    return _Call(ProductResponse, "GET", f"/products/{quote(product_id, safe='')}")


def _is_worth_retrying(outcome: _Outcome) -> bool:
    """Return whether another attempt may succeed."""
    return isinstance(outcome, httpx.TransportError) or outcome.status_code == httpx.codes.SERVICE_UNAVAILABLE


def _wait_seconds(attempt: int, outcome: _Outcome) -> float:
    said = outcome.headers.get("retry-after", "") if isinstance(outcome, httpx.Response) else ""
    if said.isdecimal():
        return min(float(said), LONGEST_WAIT_SECONDS)
    most = min(FIRST_WAIT_SECONDS * 2.0 ** (attempt - 1), LONGEST_WAIT_SECONDS)
    # A random time, so that clients that were refused at once do not all return at once.
    return most * random.uniform(0.5, 1)  # noqa: S311 (not a secret)


def _read(outcome: _Outcome, call: _Call[Answer]) -> Answer:
    if isinstance(outcome, httpx.TransportError):
        raise ClientError(f"the service cannot be reached: {outcome}") from outcome
    try:
        if outcome.is_success:
            return call.answer.model_validate_json(outcome.content)
        problem = Problem.model_validate_json(outcome.content)
    except ValidationError as error:
        raise ClientError(f"{outcome.url} answered {outcome.status_code} with something else: {error}") from error
    raise ProblemError(problem)
