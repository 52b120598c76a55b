"""Authorization of the admin routes."""

import socket
from pathlib import Path

import pytest

from tests.service.running import ADMIN, TOKEN, Running, running_service

pytestmark = pytest.mark.integration

ROUTES = [("GET", "/admin/index"), ("POST", "/admin/index/swap"), ("POST", "/admin/index/rollback")]


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize(
    ("header", "detail"),
    [
        (None, "expected the header Authorization: Bearer TOKEN"),
        ("", "expected the header Authorization: Bearer TOKEN"),
        ("Bearer", "expected the header Authorization: Bearer TOKEN"),
        (f"Basic {TOKEN}", "expected the header Authorization: Bearer TOKEN"),
        (TOKEN, "expected the header Authorization: Bearer TOKEN"),
        (f"Bearer {TOKEN}x", "the token is wrong"),
        (f"Bearer {TOKEN[:-1]}", "the token is wrong"),
        ("Bearer ü", "the token is wrong"),
    ],
)
def test_without_the_token(served: Running, method: str, path: str, header: str | None, detail: str) -> None:
    headers = {} if header is None else {"Authorization": header.encode()}
    answer = served.client.request(method, path, headers=headers, json={"version": "v2"})  # type: ignore[arg-type]
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="admin"'
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"] == detail
    assert served.search().json()["index_version"] == "v1"


BODY_ROUTES = [
    ("POST", "/admin/index/swap"), ("POST", "/admin/compare/load"), ("POST", "/admin/compare/search"),
    ("PUT", "/admin/judgments"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), BODY_ROUTES)
@pytest.mark.parametrize("content", [b'{"version" "v2"}', b"\xff\xfe", b"[" * 9000, b"{}"])
def test_the_token_is_asked_for_before_the_body_is_read(
    served: Running, method: str, path: str, content: bytes
) -> None:
    headers = {"Content-Type": "application/json"}
    answer = served.client.request(method, path, content=content, headers=headers)
    assert (answer.status_code, answer.json()["detail"]) == (401, "expected the header Authorization: Bearer TOKEN")
    assert served.client.request(method, path, content=content, headers=headers | ADMIN).status_code in (400, 422)


def test_a_body_that_never_comes_is_not_waited_for(served: Running) -> None:
    host, port = served.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:  # the service waits 10 s for a body
        connection.sendall(b"POST /admin/index/swap HTTP/1.1\r\nHost: shop\r\nContent-Length: 20\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 401 Unauthorized\r\n")


def test_every_admin_route_asks_for_the_token(served: Running) -> None:
    routes = [route for route in served_routes(served) if route[1].startswith("/admin/")]
    assert len(routes) > 10
    for method, path in routes:
        assert served.client.request(method, path).status_code == 401


def served_routes(running: Running) -> list[tuple[str, str]]:
    """Return all described routes as method and path."""
    paths = running.client.get("/openapi.json").json()["paths"]
    return [(method.upper(), path) for path, methods in paths.items() for method in methods]


def test_with_the_token(served: Running) -> None:
    assert served.client.get("/admin/index", headers=ADMIN).status_code == 200
    assert served.client.get("/admin/index", headers={"Authorization": f"bearer {TOKEN}"}).status_code == 200


def test_search_needs_none(served: Running) -> None:
    assert served.search().status_code == 200


def test_off(good_store: Path) -> None:
    with running_service(good_store, admin_token=None) as running:
        for method, path in ROUTES:
            answer = running.client.request(method, path, headers={"Content-Type": "application/json"}, content=b"{")
            assert answer.status_code == 404
            detail = "the admin routes are off; set VITRINE_ADMIN_TOKEN to turn them on"
            assert answer.json()["detail"] == detail
        assert running.search().json()["index_version"] == "v1"
