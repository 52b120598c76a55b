"""With the fast JSON route and without, the service answers and counts alike; the route takes what it should."""

import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.routes_search import JSON_SEARCH_PATHS
from service.http.fast_json_route import FastJsonRoute
from service.main import MAX_BODY_BYTES
from tests.service.running import ADMIN, Running, running_service
from tests.service.stand_ins import BROKEN, UNREADABLE, stand_in_version

pytestmark = pytest.mark.integration

JSON = "application/json"
REQUEST_ID = "parity-7"


class NoFastRoute:
    """Stands in for the fast route and passes every request on to FastAPI."""

    def __init__(self, app: ASGIApp, endpoints: object) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


@dataclass
class Ways:
    """One service with the fast route and one without.

    Attributes:
        passed_on: Requests that the fast route left to FastAPI.
    """

    fast: Running
    plain: Running
    passed_on: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def ways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ways]:
    store = tmp_path_factory.mktemp("store")
    (store / "CURRENT").write_text('{"version": "v1", "previous": []}')
    passed_on: list[str] = []

    class CountingFastRoute(FastJsonRoute):
        """A fast route that notes which requests it passes on."""

        def __init__(self, app: ASGIApp, **arguments: Any) -> None:
            async def noting_app(scope: Scope, receive: Receive, send: Send) -> None:
                if scope["type"] == "http":
                    passed_on.append(scope["path"])
                await app(scope, receive, send)

            super().__init__(noting_app, **arguments)

    with contextlib.ExitStack() as stack:
        started = []
        for route in (CountingFastRoute, NoFastRoute):
            with mock.patch("service.main.FastJsonRoute", route):
                started.append(stack.enter_context(running_service(store, load=stand_in_version)))
        yield Ways(*started, passed_on)


@dataclass(frozen=True)
class Case:
    """A request.

    Attributes:
        content: Its body; bytes as they are, or chunks of unknown length, or an object that is sent as JSON.
        status: Of its answer.
        is_fast: Whether the fast route answers it.
    """

    name: str
    path: str
    content: object
    status: int
    is_fast: bool = False
    media_type: str | None = JSON
    method: str = "POST"
    headers: tuple[tuple[str, str], ...] = ()


def batch(*queries: str) -> dict[str, object]:
    return {"searches": [{"query": query, "k": 2} for query in queries]}


FAST = [
    Case("a search", "/search", {"query": "1"}, 200, True),
    Case("all fields", "/search", {"query": "2", "k": 2, "offset": 1, "explain": True, "part": "text",
         "filters": {"size": {"gte": 1}}}, 200, True),
    Case("blanks around it", "/search", b' {"query" : " 1 "}\n', 200, True),
    Case("the last of two values", "/search", b'{"query": "0", "query": "1"}', 200, True),
    Case("with a charset", "/search", {"query": "1"}, 200, True, f"{JSON}; charset=utf-8"),
    Case("with a charset without a blank", "/search", {"query": "1"}, 200, True, f"{JSON};charset=UTF-8"),
    Case("in capitals", "/search", {"query": "1"}, 200, True, "Application/JSON ; x=y"),
    Case("a caller's request id", "/search", {"query": "1"}, 200, True, headers=(("X-Request-ID", "shop-1"),)),
    Case("a bad request id", "/search", {"query": "1"}, 200, True, headers=(("X-Request-ID", "two words"),)),
    Case("too long a query", "/search", {"query": "1" * 501}, 422, True),
    Case("a page too far down", "/search", {"query": "1", "k": 1000, "offset": 1}, 422, True),
    Case("an unknown column", "/search", {"query": "1", "filters": {"none": 1}}, 422, True),
    Case("a bad filter", "/search", {"query": "1", "filters": {"size": {"below": 1}}}, 422, True),
    Case("nothing to read", "/search", {"query": UNREADABLE}, 422, True),
    Case("a search that breaks", "/search", {"query": BROKEN}, 500, True),
    Case("a batch", "/search/batch", batch("1", "2", "1"), 200, True),
    Case("a batch with failures", "/search/batch", batch("1", UNREADABLE, "1" * 501), 200, True),
    Case("bad searches in a batch", "/search/batch",
         {"searches": [{"query": "1"}, {"query": 2}, 5, {"query": "1", "k": 2.0}, {"k": None, "q": [1.0, 10**30]}, {}]},
         200, True),
    Case("numbers beyond JSON in a batch", "/search/batch",
         b'{"searches": [{"query": "1", "k": NaN}, {"query": "1", "filters": {"size": -Infinity}}]}', 200, True),
    Case("too many hits", "/search/batch", {"searches": [{"query": "1", "k": 1000}] * 11}, 422, True),
    Case("a batch of a charset", "/search/batch", batch("3"), 200, True, f"{JSON}; charset=utf-8"),
    Case("similar products", "/search/similar", {"product_id": "v1-p2", "k": 2}, 200, True),
    Case("similar to an unknown product", "/search/similar", {"product_id": "none"}, 404, True),
    Case("similar, of a charset", "/search/similar", {"product_id": "v1-p1"}, 200, True, f"{JSON};charset=utf-8"),
]  # fmt: skip
PASSED_ON = [
    Case("no body", "/search", b"", 422),
    Case("bad JSON", "/search", b'{"query": "1"', 422),
    Case("bad UTF-8", "/search", b'{"query": "\xff"}', 400),
    Case("UTF-16", "/search", '{"query": "1"}'.encode("utf-16"), 200),
    Case("a list", "/search", [], 422),
    Case("no query", "/search", {}, 422),
    Case("an empty query", "/search", {"query": " \n"}, 422),
    Case("a number", "/search", {"query": 5}, 422),
    Case("a wrong type", "/search", {"query": "1", "k": "5"}, 422),
    Case("out of range", "/search", {"query": "1", "k": 0}, 422),
    Case("an unknown field", "/search", {"query": "1", "page": 2}, 422),
    Case("an unknown part", "/search", {"query": "1", "part": "title"}, 422),
    Case("another JSON type", "/search", {"query": "1"}, 200, media_type="application/problem+json"),
    Case("plain text", "/search", {"query": "1"}, 422, media_type="text/plain"),
    Case("no media type", "/search", {"query": "1"}, 422, media_type=None),
    Case("a lone surrogate in a batch", "/search/batch", b'{"searches": [{"query": "\\ud800"}]}', 200),
    Case("not compressed", "/search", {"query": "1"}, 200, True, headers=(("Content-Encoding", "identity"),)),
    Case("nested deep", "/search", b'{"query": "1", "filters": {"size": ' + b"[" * 950 + b"]" * 950 + b"}}", 422),
    Case("nested deeper", "/search", b'{"query": "1", "filters": {"size": ' + b"[" * 9000 + b"]" * 9000 + b"}}", 422),
    Case("chunks", "/search", [b'{"query":', b' "1"}'], 200),
    Case("chunks without end", "/search", [b" " * 1024] * (MAX_BODY_BYTES // 1024 + 1), 413),
    Case("GET", "/search", b"", 405, method="GET"),
    Case("PUT", "/search", {"query": "1"}, 405, method="PUT"),
    Case("a slash behind it", "/search/", {"query": "1"}, 404),
    Case("an empty batch", "/search/batch", {"searches": []}, 422),
    Case("too many searches", "/search/batch", batch(*["1"] * 101), 422),
    Case("an empty id", "/search/similar", {"product_id": ""}, 422),
    Case("a search of a second version", "/admin/compare/search", {"query": "1"}, 409, headers=tuple(ADMIN.items())),
]  # fmt: skip
REFUSED_EARLY = [
    Case("compressed", "/search", {"query": "1"}, 415, headers=(("Content-Encoding", "gzip"),)),
    *(
        Case(f"too long for {path}", path, b'{"query": "%b"}' % (b"1" * MAX_BODY_BYTES), 413)
        for path in JSON_SEARCH_PATHS
    ),
]


def send(running: Running, case: Case) -> httpx.Response:
    content: Any = case.content
    if isinstance(content, list) and content and isinstance(content[0], bytes):
        content = iter(content)
    elif not isinstance(content, bytes):
        content = json.dumps(content).encode()
    headers = {"X-Request-ID": REQUEST_ID, **dict(case.headers)}
    if case.media_type is not None:
        headers["Content-Type"] = case.media_type
    return running.client.request(case.method, case.path, content=content, headers=headers)


def counters(running: Running) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Return every metric of the service that measures neither time nor memory."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(running.client.get("/metrics").text)
        for sample in family.samples
        if sample.name.startswith("vitrine_")
        and not sample.name.startswith("vitrine_search_process")
        and sample.name.endswith(("_total", "_count", "_depth"))
    }


def comparable(answer: httpx.Response) -> tuple[int, dict[str, str], bytes]:
    """Return an answer without its date, its duration and its random request id."""
    headers = dict(answer.headers)
    assert headers.pop("date")
    assert int(headers.pop("content-length")) == len(answer.content)
    if re.fullmatch("[0-9a-f]{32}", headers["x-request-id"]):
        headers["x-request-id"] = "drawn"
    return answer.status_code, headers, re.sub(rb'"took_ms":[0-9.]+', b'"took_ms":0', answer.content)


@pytest.mark.parametrize("case", [*FAST, *PASSED_ON, *REFUSED_EARLY], ids=lambda case: case.name)
def test_both_ways_answer_and_count_the_same(ways: Ways, case: Case) -> None:
    before = [counters(running) for running in (ways.fast, ways.plain)]
    ways.passed_on.clear()
    fast = send(ways.fast, case)
    passed_on = list(ways.passed_on)
    plain = send(ways.plain, case)
    after = [counters(running) for running in (ways.fast, ways.plain)]
    assert comparable(fast) == comparable(plain)
    assert fast.status_code == case.status
    assert passed_on == ([] if case.is_fast or case in REFUSED_EARLY else [case.path])
    grown = [
        {name: value - old.get(name, 0) for name, value in new.items()} for old, new in zip(before, after, strict=True)
    ]
    assert grown[0] == grown[1]
    route = "unmatched" if case in REFUSED_EARLY or case.path == "/search/" else case.path
    counted = ("vitrine_requests_total", (("route", route), ("status", str(case.status))))
    assert grown[0][counted] == 1, grown[0]


def test_every_search_with_a_json_body_is_in_the_table() -> None:
    assert {case.path for case in FAST} == set(JSON_SEARCH_PATHS) == {"/search", "/search/batch", "/search/similar"}
