"""Admin routes and metrics on a port of their own."""

import re
import socket
from pathlib import Path

import httpx
import pytest

from tests.service.processes import service_process, wait_for
from tests.service.running import ADMIN, TOKEN, running_service
from tests.service.waiting import WAIT_SECONDS

pytestmark = pytest.mark.integration
FOR_OPERATORS = [
    ("GET", "/admin/index"), ("POST", "/admin/index/swap"), ("POST", "/admin/index/rollback"), ("GET", "/metrics"),
    ("GET", "/admin"), ("GET", "/admin/versions"), ("GET", "/admin/compare"),
]  # fmt: skip
FOR_SHOPPERS = [
    ("POST", "/search"), ("POST", "/search/batch"), ("POST", "/search/similar"), ("GET", "/products/p1"),
    ("GET", "/openapi.json"), ("GET", "/"), ("GET", "/compare"), ("GET", "/web/style.css"), ("GET", "/catalog"),
]  # fmt: skip


def ask(url: str, method: str, path: str) -> httpx.Response:
    return httpx.request(method, url + path, headers=ADMIN, timeout=60)


def test_operators_routes_are_on_their_port_alone_which_has_all_others_too(good_store: Path) -> None:
    with running_service(good_store, admin_port=0) as running:
        for method, path in FOR_OPERATORS:
            assert ask(running.admin_url, method, path).status_code in (200, 409, 422)
            refused = ask(running.url, method, path)
            assert (refused.status_code, refused.json()["type"]) == (404, "about:blank")
            assert refused.json()["detail"] == f"there is nothing at {path}"
            assert len(refused.headers["x-request-id"]) == 32
        for method, path in FOR_SHOPPERS:
            for url in (running.url, running.admin_url):
                assert ask(url, method, path).status_code in (200, 422)
        for url in (running.url, running.admin_url):
            for path in ("/health", "/ready"):
                assert ask(url, "GET", path).status_code == 200


@pytest.mark.parametrize("path", ["/%61dmin/index", "//admin/index", "/admin/../admin/index", "/admin/index?x=/search"])
def test_no_spelling_or_header_opens_the_public_port(good_store: Path, path: str) -> None:
    with running_service(good_store, admin_port=0) as running:
        port = int(running.url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            host = running.admin_url.removeprefix("http://")
            head = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-Host: {host}\r\nConnection: close\r\n"
            connection.sendall(f"{head}Authorization: Bearer {TOKEN}\r\n\r\n".encode())
            assert connection.recv(100).startswith(b"HTTP/1.1 404 Not Found")


def test_the_admin_port_needs_the_token_too(good_store: Path) -> None:
    with running_service(good_store, admin_port=0) as running:
        assert httpx.get(f"{running.admin_url}/admin/index").status_code == 401
    with running_service(good_store, admin_port=0, admin_token=None) as running:
        refused = ask(running.admin_url, "GET", "/admin/index")
        assert (refused.status_code, refused.json()["type"]) == (404, "urn:problem-type:vitrine:admin-off")


def test_a_process_listens_on_both_and_drains_both(good_store: Path, tmp_path: Path) -> None:
    variables = {"VITRINE_ADMIN_PORT": "0", "VITRINE_ADMIN_TOKEN": TOKEN, "VITRINE_DRAIN_SECONDS": "90"}
    variables["VITRINE_DRAIN_NOTICE_SECONDS"] = "60"  # the second signal ends it
    with service_process(good_store, tmp_path, **variables) as process:
        port = wait_for(process.log, process.popen, r"event=listening_for_admin host=127\.0\.0\.1 port=(\d+)")
        admin_url = f"http://127.0.0.1:{port}"
        answer = httpx.post(f"{admin_url}/admin/index/swap", json={"version": "v2"}, headers=ADMIN)
        assert answer.status_code == 200
        found = httpx.post(f"{process.url}/search", json={"query": "red shoes"}).json()
        assert found["index_version"] == "v2"
        process.stop()
        wait_for(process.log, process.popen, "(event=draining)")
        assert [httpx.get(f"{url}/ready").status_code for url in (process.url, admin_url)] == [503, 503]
        process.stop()
        assert process.popen.wait(WAIT_SECONDS) == 0
        for url in (process.url, admin_url):
            with pytest.raises(httpx.ConnectError):
                httpx.get(f"{url}/health")
    assert re.search("event=stopped", process.log.read_text())
