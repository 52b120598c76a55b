"""The security headers of every answer."""

import re
import socket
from pathlib import Path

import pytest

from service.http.security_headers import CONTENT_SECURITY_POLICY, SECURITY_HEADERS
from tests.service.api.test_routes_search import stand_in_service
from tests.service.running import ADMIN, Running
from tests.service.stand_ins import BROKEN, StandInEncoder

pytestmark = pytest.mark.integration
EXPECTED = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "content-security-policy": CONTENT_SECURITY_POLICY,
}


def test_every_answer_has_each_header_once(served: Running) -> None:
    answers = [
        served.search(), served.search(k=0), served.client.get("/nothing"), served.client.put("/search"),
        served.client.get("/metrics"), served.client.get("/health"), served.client.get("/openapi.json"),
        served.client.get("/admin/index", headers=ADMIN), served.client.get("/admin/index"),
        served.client.post("/search", content=b"x" * 100_000),
    ]  # fmt: skip
    assert {answer.status_code for answer in answers} == {200, 401, 404, 405, 413, 422}
    for answer in answers:
        for name, value in EXPECTED.items():
            assert answer.headers.get_list(name) == [value]
        assert "server" not in answer.headers


def test_failures_have_them_too(tmp_path: Path) -> None:
    with stand_in_service(tmp_path, StandInEncoder()) as running:
        answer = running.search(BROKEN)
        assert answer.status_code == 500
        assert answer.headers.items() >= EXPECTED.items()


def test_what_is_no_http_has_them_too(served: Running) -> None:
    host, port = served.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(b"nonsense\r\n\r\n")
        answer = connection.recv(65536).decode()
    assert answer.startswith("HTTP/1.1 400 ")
    for name, value in SECURITY_HEADERS:
        assert f"\r\n{name}: {value}\r\n" in answer


def test_the_policy_names_no_other_host_and_nothing_unsafe() -> None:
    sources = {source for rule in CONTENT_SECURITY_POLICY.split("; ") for source in rule.split()[1:]}
    assert sources == {"'none'", "'self'"}


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/docs/oauth2-redirect"])
def test_no_page_loads_anything_from_another_host(served: Running, path: str) -> None:
    assert served.client.get(path).status_code == 404
    assert not re.findall("https?://", served.client.get("/openapi.json").text)
