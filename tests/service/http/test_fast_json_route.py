"""The fast JSON route answers valid and invalid bodies as FastAPI itself does."""

from typing import Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Request
from starlette.responses import JSONResponse, Response
from starlette.testclient import TestClient

from service.api.exception_handlers import add_exception_handlers
from service.api.schemas import SearchRequest
from service.core.errors import OverloadedError
from service.http.fast_json_route import FastJsonRoute, json_endpoints

JSON = "application/json"


def client(fast: bool) -> TestClient:
    """An application that answers with the body it read, and says whether FastAPI parsed it."""
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
    add_exception_handlers(app)
    if fast:
        app.add_middleware(FastJsonRoute, endpoints=json_endpoints(router.routes, ("/search", "/refused")))
    return TestClient(app, raise_server_exceptions=False)


def answers(method: str, path: str, **request: Any) -> list[tuple[int, Any]]:
    """Return status and content of the answers of the fast route and of FastAPI alone."""
    given = [client(fast).request(method, path, **request) for fast in (True, False)]
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


@pytest.mark.parametrize(
    "media_type",
    [f"{JSON}; charset=utf-8", f"{JSON};charset=UTF-8", f" {JSON} ; a=b", "APPLICATION/JSON", "Application/Json; x"],
)
def test_parameters_case_and_blanks_of_the_media_type_do_not_matter(media_type: str) -> None:
    ours, fastapis = answers("POST", "/search", content=GOOD[0], headers={"content-type": media_type})
    assert (ours[0], ours[1]["read"]) == (fastapis[0], fastapis[1]["read"]) == (200, ours[1]["read"])
    assert (ours[1]["by_fastapi"], fastapis[1]["by_fastapi"]) == (False, True)


@pytest.mark.parametrize("media_type", ["application/problem+json", "application/vnd.shop+json; charset=utf-8"])
def test_other_names_of_json_are_left_to_fastapi(media_type: str) -> None:
    ours, fastapis = answers("POST", "/search", content=GOOD[0], headers={"content-type": media_type})
    assert ours == fastapis
    assert ours[0] == 200


@pytest.mark.parametrize("media_type", ["text/plain", "", "multipart/form-data", "application/jsonx", "text/json"])
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
    given = [client(fast).post("/refused", json={"query": "a"}) for fast in (True, False)]
    assert [answer.json() for answer in given] == [given[0].json()] * 2
    assert [(answer.status_code, answer.headers["retry-after"]) for answer in given] == [(503, "1")] * 2


def test_a_body_of_unknown_length_is_left_to_fastapi() -> None:
    answer = client(True).post("/search", content=iter([GOOD[0]]), headers={"content-type": JSON})
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


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/none", "/none: there is no such route with the method POST"),
        ("/nothing", "/nothing: there is no such route with the method POST"),
        ("/other", r"/other: its endpoint other takes \['body'\] and has 0 dependencies: expected \(body: a model, "),
        ("/renamed", r"/renamed: its endpoint renamed takes \['search', 'request'\] and has 0 dependencies"),
        ("/guarded", r"/guarded: its endpoint guarded takes \['body', 'request'\] and has 1 dependencies"),
        ("/typed", r"/typed: its endpoint typed takes \['body', 'request'\] and has 0 dependencies"),
    ],
)
def test_a_route_that_cannot_be_answered_this_way_stops_the_start(path: str, message: str) -> None:
    router = APIRouter()

    @router.get("/nothing")
    async def nothing() -> dict[str, str]:
        return {}

    @router.post("/other", response_class=Response)
    async def other(body: SearchRequest) -> Response:
        return Response()

    @router.post("/renamed", response_class=Response)
    async def renamed(search: SearchRequest, request: Request) -> Response:
        return Response()

    @router.post("/guarded", response_class=Response, dependencies=[Depends(nothing)])
    async def guarded(body: SearchRequest, request: Request) -> Response:
        return Response()

    @router.post("/typed")
    async def typed(body: SearchRequest, request: Request) -> dict[str, str]:
        return {}

    with pytest.raises(ValueError, match=f"^the fast JSON route cannot answer {message}"):
        json_endpoints(router.routes, [path])
