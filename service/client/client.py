"""Clients of the search service for programs: `Client`, and `AsyncClient` with the same methods as coroutines.

    with Client("http://127.0.0.1:8000") as client:
        for hit in client.search("red running shoes", k=10, filters={"in_stock": True}).hits:
            print(hit.rank, hit.score, hit.title)

A request is sent again when the service answers 503 (overloaded or not ready) or the connection breaks: after the time
in Retry-After, or else after a time that doubles. No request changes anything, so that repeating one is safe.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Self

import httpx

from service.api.schemas import (
    DEFAULT_K,
    BatchResponse,
    ImageSearchResponse,
    ProductResponse,
    SearchResponse,
    SimilarResponse,
)
from service.api.schemas_admin import HealthResponse, ReadyResponse
from service.client.calls import (
    HEALTH,
    READY,
    Answer,
    Call,
    Filters,
    Outcome,
    Search,
    is_worth_retrying,
    product_call,
    read_answer,
    search_batch_call,
    search_call,
    search_image_call,
    similar_call,
    wait_seconds,
)
from service.protocol.queries import RankedBy


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
        """Return the products that fit a text best.

        Raises:
            ProblemError: The service refuses the search.
            ClientError: The service cannot be reached.
        """
        return self._send(search_call(Search(query, k, offset, filters, explain, prior, ranking, correct)))

    def search_batch(self, searches: Sequence[Search]) -> BatchResponse:
        """Return the answers to several searches, some of which may have failed; see `search` for other errors."""
        return self._send(search_batch_call(searches))

    def similar(
        self, product_id: str, k: int = DEFAULT_K, offset: int = 0, filters: Filters | None = None
    ) -> SimilarResponse:
        """Return the products nearest to a product; see `search` for errors."""
        return self._send(similar_call(product_id, k, offset, filters))

    def search_image(
        self, image: bytes, k: int = DEFAULT_K, offset: int = 0, filters: Filters | None = None
    ) -> ImageSearchResponse:
        """Return the products whose photos are nearest to a photo, given as the bytes of its file; see `search`."""
        return self._send(search_image_call(image, k, offset, filters))

    def product(self, product_id: str) -> ProductResponse:
        """Return the row of a product; see `search` for errors."""
        return self._send(product_call(product_id))

    def health(self) -> HealthResponse:
        """Return the state of the process; see `search` for errors."""
        return self._send(HEALTH)

    def ready(self) -> ReadyResponse:
        """Return the version that answers searches; raises `ProblemError` while the service is not ready."""
        return self._send(READY)

    def _send(self, call: Call[Answer]) -> Answer:
        for attempt in range(1, self._attempts):
            outcome = self._try(call)
            if not is_worth_retrying(outcome):
                return read_answer(outcome, call)
            time.sleep(wait_seconds(attempt, outcome))
        return read_answer(self._try(call), call)

    def _try(self, call: Call[Any]) -> Outcome:
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
        return await self._send(search_call(Search(query, k, offset, filters, explain, prior, ranking, correct)))

    async def search_batch(self, searches: Sequence[Search]) -> BatchResponse:
        """See `Client.search_batch`."""
        return await self._send(search_batch_call(searches))

    async def similar(
        self, product_id: str, k: int = DEFAULT_K, offset: int = 0, filters: Filters | None = None
    ) -> SimilarResponse:
        """See `Client.similar`."""
        return await self._send(similar_call(product_id, k, offset, filters))

    async def search_image(
        self, image: bytes, k: int = DEFAULT_K, offset: int = 0, filters: Filters | None = None
    ) -> ImageSearchResponse:
        """See `Client.search_image`."""
        return await self._send(search_image_call(image, k, offset, filters))

    async def product(self, product_id: str) -> ProductResponse:
        """See `Client.product`."""
        return await self._send(product_call(product_id))

    async def health(self) -> HealthResponse:
        """See `Client.health`."""
        return await self._send(HEALTH)

    async def ready(self) -> ReadyResponse:
        """See `Client.ready`."""
        return await self._send(READY)

    async def _send(self, call: Call[Answer]) -> Answer:
        for attempt in range(1, self._attempts):
            outcome = await self._try(call)
            if not is_worth_retrying(outcome):
                return read_answer(outcome, call)
            await asyncio.sleep(wait_seconds(attempt, outcome))
        return read_answer(await self._try(call), call)

    async def _try(self, call: Call[Any]) -> Outcome:
        try:
            return await self._http.request(call.method, call.path, json=call.body, data=call.form, files=call.files)
        except httpx.TransportError as error:
            return error
