"""Bodies read in one step: the same answers as FastAPI's own reading gives, to good bodies and to all others."""

from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, Request
from starlette.responses import JSONResponse, Response
from starlette.testclient import TestClient

from service.api.problems import add_problem_handlers
from service.api.schemas import SearchRequest
from service.core.errors import OverloadedError
from service.http.fast_json_route import Shortcut

JSON = "application/json"


def client(shortcut: bool) -> TestClient:
    """An application that tells what it read, and whether FastAPI made objects of the body."""
    router = APIRouter()

    @router.post("/search", response_class=Response)
    async def search(body: SearchRequest, request: Request) -> Response:
        return JSONResponse({"read": body.model_dump(), "by_fastapi": hasattr(request, "_json")})

    @router.post("/refused", response_class=Response)
    async def refuse(body: SearchRequest, request: Request) -> Response:
        raise OverloadedError(f"{body.query}: too many")

    @router.post("/other")
    async def other(body: SearchRequest) -> dict[str, str]:
        return {"query": body.query}

    @router.get("/nothing")
    async def nothing() -> dict[str, str]:
        return {"body": "none"}

    app = FastAPI()
    app.include_router(router)
    add_problem_handlers(app)
    if shortcut:
        app.add_middleware(Shortcut, routes=router.routes, max_bytes=1000)
    return TestClient(app, raise_server_exceptions=False)


def answers(method: str, path: str, **request: Any) -> list[tuple[int, Any]]:
    """Status and content, by the shortcut and by FastAPI alone."""
    given = [client(shortcut).request(method, path, **request) for shortcut in (True, False)]
    return [(answer.status_code, answer.json()) for answer in given]


GOOD = [
    b'{"query": "red shoe"}',
    b' {"k": 3, "query": "  red shoe ", "explain": true, "offset": 2} ',
    b'{"query": "a", "filters": {"price": {"gte": 1, "lt": 2.5}, "brand": ["x", null], "deep": {"er": [1, {}]}}}',
    b'{"query": "\\u00e9\\ud83d\\ude00"}',
    '{"query": "größe 😀"}'.encode(),
    b'{"query": "a", "query": "b"}',
    b'{"query": "a", "filters": {"price": 123456789012345678901234567890}}',
]
OTHERS = [
    b"",
    b"{",
    b"null",
    b"[]",
    b'"text"',
    b"{}",
    b'{"query": ""}',
    b'{"query": 5}',
    b'{"query": "a", "k": "5"}',
    b'{"query": "a", "k": 5.0}',
    b'{"query": "a", "k": true}',
    b'{"query": "a", "k": 0}',
    b'{"query": "a", "unknown": 1}',
    b'{"query": "a", "filters": []}',
    b'{"query": "\xff"}',
    b'{"query": "a"} x',
    b'{"query": "a",}',
    b"{'query': 'a'}",
]


@pytest.mark.parametrize("body", GOOD, ids=repr)
def test_a_good_body_is_read_in_one_step_to_the_same(body: bytes) -> None:
    ours, fastapis = answers("POST", "/search", content=body, headers={"content-type": JSON})
    assert (ours[0], ours[1]["read"]) == (fastapis[0], fastapis[1]["read"]) == (200, ours[1]["read"])
    assert (ours[1]["by_fastapi"], fastapis[1]["by_fastapi"]) == (False, True)


@pytest.mark.parametrize("body", OTHERS, ids=repr)
def test_any_other_body_is_refused_in_fastapis_words(body: bytes) -> None:
    ours, fastapis = answers("POST", "/search", content=body, headers={"content-type": JSON})
    assert ours == fastapis
    assert ours[0] in (400, 422)


@pytest.mark.parametrize("media_type", [f"{JSON}; charset=utf-8", "application/problem+json", "APPLICATION/JSON"])
def test_other_names_of_json_are_left_to_fastapi(media_type: str) -> None:
    ours, fastapis = answers("POST", "/search", content=GOOD[0], headers={"content-type": media_type})
    assert ours == fastapis
    assert ours[0] == 200


@pytest.mark.parametrize("media_type", ["text/plain", "", "multipart/form-data"])
def test_other_media_types_are_refused_in_fastapis_words(media_type: str) -> None:
    ours, fastapis = answers("POST", "/search", content=GOOD[0], headers={"content-type": media_type})
    assert ours == fastapis
    assert ours[0] == 422


def test_encodings_besides_utf_8_are_left_to_fastapi() -> None:
    for encoding in ("utf-16", "utf-8-sig"):
        ours, fastapis = answers(
            "POST", "/search", content='{"query": "a"}'.encode(encoding), headers={"content-type": JSON}
        )
        assert ours == fastapis


def test_what_an_endpoint_refuses_is_the_same_problem() -> None:
    given = [client(shortcut).post("/refused", json={"query": "a"}) for shortcut in (True, False)]
    assert [answer.json() for answer in given] == [given[0].json()] * 2
    assert [(answer.status_code, answer.headers["retry-after"]) for answer in given] == [(503, "1")] * 2


def test_a_body_above_the_limit_or_without_a_length_is_left_to_fastapi() -> None:
    long = b'{"query": "%b"}' % (b"a" * 990)
    for content in (long, iter([GOOD[0]])):
        answer = client(True).post("/search", content=content, headers={"content-type": JSON})
        assert (answer.status_code, answer.json()["by_fastapi"]) == (200, True)


def test_other_endpoints_and_methods_are_fastapis() -> None:
    ours, fastapis = answers("POST", "/other", json={"query": "a"})
    assert ours == fastapis == (200, {"query": "a"})
    ours, fastapis = answers("PUT", "/search", json={"query": "a"})
    assert ours == fastapis
    assert ours[0] == 405


def test_a_route_without_a_body_is_fastapis() -> None:
    ours, fastapis = answers("GET", "/nothing")
    assert ours == fastapis == (200, {"body": "none"})
