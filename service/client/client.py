"""A client of the search service, for programs: `Client`, and `AsyncClient` with the same methods to await.

    with Client("http://127.0.0.1:8000") as client:
        for hit in client.search("red running shoes", k=10, filters={"in_stock": True}).hits:
            print(hit.rank, hit.score, hit.title)

A service that is overloaded or not ready (503) and a connection that breaks are tried again: after what Retry-After
says, or after a time that doubles. All that is sent only reads, so that sending it twice does no harm.
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
    HealthResponse,
    ImageSearchResponse,
    Problem,
    ProductResponse,
    ReadyResponse,
    SearchResponse,
    SimilarResponse,
)

FIRST_WAIT_SECONDS = 0.1  # before the second try, where the service says nothing
LONGEST_WAIT_SECONDS = 10.0  # whatever it says

Answer = TypeVar("Answer", bound=BaseModel)
Filters = Mapping[str, Any]
_Outcome = httpx.Response | httpx.TransportError


class ClientError(Exception):
    """The service cannot be reached, or what answers is no search service."""


class ProblemError(ClientError):
    """The service refused a request.

    Attributes:
        problem: Why, as it says; see docs/http-api.md.
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


@dataclass(frozen=True)
class _Call(Generic[Answer]):
    """A request, and what its answer is."""

    answer: type[Answer]
    method: str
    path: str
    body: dict[str, Any] | None = None  # as JSON
    form: dict[str, Any] | None = None
    files: dict[str, bytes] | None = None  # of the form


class Client:
    """A client for programs that wait.

    Args:
        url: Where the service runs.
        timeout_seconds: For one try.
        attempts: Tries of one request, at least 1.
        transport: Of httpx, in place of the network.
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
        self, query: str, k: int = DEFAULT_K, offset: int = 0, filters: Filters | None = None, explain: bool = False
    ) -> SearchResponse:
        """The products nearest to a text.

        Raises:
            ProblemError: The service refuses the search.
            ClientError: It cannot be reached.
        """
        return self._send(_search(Search(query, k, offset, filters, explain)))

    def search_batch(self, searches: Sequence[Search]) -> BatchResponse:
        """Several searches at once; see `search` for errors of the whole."""
        return self._send(_search_batch(searches))

    def similar(
        self, product_id: str, k: int = DEFAULT_K, offset: int = 0, filters: Filters | None = None
    ) -> SimilarResponse:
        """The products nearest to a product; see `search` for errors."""
        return self._send(_similar(product_id, k, offset, filters))

    def search_image(
        self, image: bytes, k: int = DEFAULT_K, offset: int = 0, filters: Filters | None = None
    ) -> ImageSearchResponse:
        """The products whose photos are nearest to a photo, given by the content of its file; see `search`."""
        return self._send(_search_image(image, k, offset, filters))

    def product(self, product_id: str) -> ProductResponse:
        """A product's own row; see `search` for errors."""
        return self._send(_product(product_id))

    def health(self) -> HealthResponse:
        """Whether the process is alive, and what it serves; see `search` for errors."""
        return self._send(_HEALTH)

    def ready(self) -> ReadyResponse:
        """What searches would be answered by; `ProblemError` while they should not be sent."""
        return self._send(_READY)

    def _send(self, call: _Call[Answer]) -> Answer:
        for attempt in range(1, self._attempts):
            outcome = self._try(call)
            if not _is_passing(outcome):
                return _read(outcome, call)
            time.sleep(_wait_seconds(attempt, outcome))
        return _read(self._try(call), call)

    def _try(self, call: _Call[Any]) -> _Outcome:
        try:
            return self._http.request(call.method, call.path, json=call.body, data=call.form, files=call.files)
        except httpx.TransportError as error:
            return error


class AsyncClient:
    """A client for programs on an event loop; arguments, answers and errors are those of `Client`."""

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
        self, query: str, k: int = DEFAULT_K, offset: int = 0, filters: Filters | None = None, explain: bool = False
    ) -> SearchResponse:
        """See `Client.search`."""
        return await self._send(_search(Search(query, k, offset, filters, explain)))

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
            if not _is_passing(outcome):
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


def _is_passing(outcome: _Outcome) -> bool:
    """Whether another try may fare better."""
    return isinstance(outcome, httpx.TransportError) or outcome.status_code == httpx.codes.SERVICE_UNAVAILABLE


def _wait_seconds(attempt: int, outcome: _Outcome) -> float:
    said = outcome.headers.get("retry-after", "") if isinstance(outcome, httpx.Response) else ""
    if said.isdecimal():
        return min(float(said), LONGEST_WAIT_SECONDS)
    most = min(FIRST_WAIT_SECONDS * 2.0 ** (attempt - 1), LONGEST_WAIT_SECONDS)
    # At a random moment, so that clients that were refused together do not come back together.
    return most * random.uniform(0.5, 1)  # noqa: S311 (no secret)


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
