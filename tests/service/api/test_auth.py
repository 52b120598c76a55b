"""Authorization of the admin routes."""

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


def test_with_the_token(served: Running) -> None:
    assert served.client.get("/admin/index", headers=ADMIN).status_code == 200
    assert served.client.get("/admin/index", headers={"Authorization": f"bearer {TOKEN}"}).status_code == 200


def test_search_needs_none(served: Running) -> None:
    assert served.search().status_code == 200


def test_off(good_store: Path) -> None:
    with running_service(good_store, admin_token=None) as running:
        for method, path in ROUTES:
            answer = running.client.request(method, path, headers=ADMIN, json={"version": "v2"})
            assert answer.status_code == 404
            detail = "the admin routes are off; set VITRINE_ADMIN_TOKEN to turn them on"
            assert answer.json()["detail"] == detail
        assert running.search().json()["index_version"] == "v1"
