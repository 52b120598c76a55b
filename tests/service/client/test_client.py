"""The clients against a real service, and against one that fails in prescribed ways."""

import asyncio
import itertools
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from service.api.schemas import FailedSearch, SearchResponse
from service.client import AsyncClient, Client, ClientError, ProblemError, Search
from service.client import client as client_module
from tests.service.running import Running
from tests.service.shop import PRODUCTS, products

FOUND = {"query": "a", "index_version": "v1", "took_ms": 1.0, "hits": []}
PROBLEM = {"type": "about:blank", "title": "No", "status": 503, "detail": "not now"}


@pytest.mark.integration
def test_every_method_gives_what_the_service_answers(served: Running) -> None:
    filters = {"category": "bag", "price": {"lt": 60}}
    with Client(served.url) as client:
        found = client.search("red shoes", 5, 2, filters)
        raw = served.search("red shoes", k=5, offset=2, filters=filters).json()
        dumped = found.model_dump(
            exclude={"corrected": True, "hits": {"__all__": {"explain"}}}
        )  # which were not asked for
        assert dumped | {"took_ms": 0} == raw | {"took_ms": 0}
        parts = client.search("red shoes", 1, explain=True).hits[0].explain
        assert parts is not None and parts.text + parts.photo == pytest.approx(client.search("red shoes").hits[0].score)
        similar = client.similar("p3", k=4)
        assert (similar.product_id, len(similar.hits), similar.passing) == ("p3", 4, None)
        batch = client.search_batch([Search("lamp", 2), Search("lamp", filters={"shade": "red"})])
        first, second = batch.results
        assert isinstance(first, SearchResponse) and first.hits == client.search("lamp", 2).hits
        assert isinstance(second, FailedSearch) and second.problem.status == 422
        assert client.product("p7").product.model_dump() == products(PRODUCTS).slice(7, 1).to_pylist()[0]
        assert client.health().index_version == client.ready().index_version == "v1"
        with pytest.raises(ProblemError, match="422 The request is not valid: k is 0: expected") as caught:
            client.search("lamp", 0)
        assert caught.value.problem.type == "urn:problem-type:vitrine:invalid-request"
        with pytest.raises(ProblemError, match="404"):
            client.product("p7/../p8")


@pytest.mark.integration
def test_the_same_on_an_event_loop(served: Running) -> None:
    async def test() -> None:
        with Client(served.url) as other:
            async with AsyncClient(served.url) as client:
                found = await asyncio.gather(*(client.search("red shoes", k) for k in range(1, 20)))
                assert [len(answer.hits) for answer in found] == list(range(1, 20))
                assert (await client.similar("p3", 4)).hits == other.similar("p3", 4).hits
                assert (await client.product("p3")) == other.product("p3")
                batch = await client.search_batch([Search("lamp", 2)])
                assert isinstance(batch.results[0], SearchResponse)
                assert (await client.health()).state == (await client.ready()).state == "serving"
                with pytest.raises(ProblemError):
                    await client.search("")

    asyncio.run(test())


Respond = Callable[[httpx.Request], httpx.Response]


def failing(*outcomes: httpx.Response | Exception) -> tuple[Respond, list[httpx.Request]]:
    """Return a function that gives these outcomes in turn and then repeats the last, and the requests that it gets."""
    left: Iterator[httpx.Response | Exception] = itertools.chain(outcomes, itertools.repeat(outcomes[-1]))
    asked: list[httpx.Request] = []

    def respond(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        outcome = next(left)
        if isinstance(outcome, Exception):
            raise outcome
        return httpx.Response(outcome.status_code, headers=outcome.headers, content=outcome.content)

    return respond, asked


def search(respond: Respond, on_a_loop: bool, **options: Any) -> SearchResponse:
    if not on_a_loop:
        with Client("http://shop", transport=httpx.MockTransport(respond), **options) as client:
            return client.search("a")

    async def test() -> SearchResponse:
        async with AsyncClient("http://shop", transport=httpx.MockTransport(respond), **options) as client:
            return await client.search("a")

    return asyncio.run(test())


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Record the times that clients would have waited."""
    waited: list[float] = []

    async def note(seconds: float) -> None:
        waited.append(seconds)

    # In the client's module alone: services of other tests run in this process.
    monkeypatch.setattr(client_module, "time", SimpleNamespace(sleep=waited.append))
    monkeypatch.setattr(client_module, "asyncio", SimpleNamespace(sleep=note))
    return waited


OVERLOADED = httpx.Response(503, json=PROBLEM, headers={"retry-after": "2"})


@pytest.mark.parametrize("on_a_loop", [False, True])
def test_an_overloaded_service_is_asked_again_when_it_says(waits: list[float], on_a_loop: bool) -> None:
    respond, asked = failing(OVERLOADED, OVERLOADED, httpx.Response(200, json=FOUND))
    assert search(respond, on_a_loop).index_version == "v1"
    assert waits == [2.0, 2.0]
    assert [json.loads(request.content) for request in asked] == [
        {"query": "a", "k": 100, "offset": 0, "filters": None, "explain": False, "prior": 1.0}
        | {"ranking": "cosine", "correct": True}
    ] * 3


@pytest.mark.parametrize("on_a_loop", [False, True])
def test_broken_connections_are_tried_again_after_longer_and_longer(waits: list[float], on_a_loop: bool) -> None:
    respond, asked = failing(httpx.ConnectError("refused"))
    with pytest.raises(ClientError, match="the service cannot be reached: refused"):
        search(respond, on_a_loop, attempts=5)
    assert len(asked) == 5
    for waited, most in zip(waits, [0.1, 0.2, 0.4, 0.8], strict=True):
        assert most / 2 <= waited <= most


@pytest.mark.parametrize("on_a_loop", [False, True])
@pytest.mark.parametrize(
    ("outcome", "message"),
    [
        (httpx.Response(422, json=PROBLEM | {"status": 422}), "422 No: not now"),
        (httpx.Response(500, json=PROBLEM | {"status": 500}), "500 No: not now"),
        (httpx.Response(200, text="<html>"), "answered 200 with something else"),
        (httpx.Response(502, text="bad gateway"), "answered 502 with something else"),
    ],
)
def test_what_another_try_does_not_change_is_told_at_once(
    waits: list[float], outcome: httpx.Response, message: str, on_a_loop: bool
) -> None:
    respond, asked = failing(outcome)
    with pytest.raises(ClientError, match=message):
        search(respond, on_a_loop)
    assert (len(asked), waits) == (1, [])


@pytest.mark.parametrize(("said", "waited"), [("3", 3.0), ("999", 10.0)])
def test_what_the_service_says_is_bounded(waits: list[float], said: str, waited: float) -> None:
    respond, _ = failing(httpx.Response(503, json=PROBLEM, headers={"retry-after": said}))
    with pytest.raises(ProblemError, match="503 No: not now"):
        search(respond, False, attempts=2)
    assert waits == [waited]


def test_the_client_needs_none_of_what_the_service_runs_on() -> None:
    others = "{'fastapi', 'faiss', 'onnxruntime', 'torch'}"
    program = f"import sys, service.client; sys.exit(bool({others} & {{*sys.modules}}))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
