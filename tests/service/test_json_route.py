"""Bodies read in one step: the same answers as FastAPI's own reading gives, to good bodies and to all others."""

from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, Request
from fastapi.routing import APIRoute
from starlette.responses import JSONResponse, Response
from starlette.testclient import TestClient

from service.json_route import JsonRoute
from service.problems import add_problem_handlers
from service.schemas import SearchRequest

JSON = "application/json"


def client(route_class: type[APIRoute]) -> TestClient:
    """An application that tells what it read, and whether FastAPI made objects of the body."""
    router = APIRouter(route_class=route_class)

    @router.post("/search", response_class=Response)
    async def search(body: SearchRequest, request: Request) -> Response:
        return JSONResponse({"read": body.model_dump(), "by_fastapi": hasattr(request, "_json")})

    @router.get("/nothing")
    async def nothing() -> dict[str, str]:
        return {"body": "none"}

    app = FastAPI()
    app.include_router(router)
    add_problem_handlers(app)
    return TestClient(app, raise_server_exceptions=False)


def answers(method: str, path: str, **request: Any) -> list[tuple[int, Any]]:
    """Status and content, of a JsonRoute and of FastAPI's own."""
    given = [client(route_class).request(method, path, **request) for route_class in (JsonRoute, APIRoute)]
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


def test_a_route_without_a_body_is_fastapis() -> None:
    ours, fastapis = answers("GET", "/nothing")
    assert ours == fastapis == (200, {"body": "none"})
