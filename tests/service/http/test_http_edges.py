"""HEAD, compressed bodies and a proxy's prefix, on a real service."""

import gzip
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.core.settings import Settings
from service.main import create_app
from tests.service.running import ADMIN, Running, running_service
from tests.service.stand_ins import stand_in_version
from tests.service.waiting import WAIT_SECONDS, wait_until

pytestmark = pytest.mark.integration
PREFIX = "/vitrine"


@pytest.fixture(scope="module")
def prefixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    store = tmp_path_factory.mktemp("store")
    (store / "CURRENT").write_text('{"version": "v1", "previous": []}')
    with running_service(store, load=stand_in_version, root_path=PREFIX, swap_wait_seconds=0) as running:
        yield running


@pytest.mark.parametrize(
    "path", ["/", "/compare", "/admin", "/web/style.css", "/health", "/ready", "/metrics", "/catalog", "/openapi.json",
             "/products/p1", "/products/none", "/images/p1", "/admin/index", "/admin/versions", "/nothing", "/search"],
)  # fmt: skip
def test_head_is_answered_like_get_without_a_body(served: Running, path: str) -> None:
    """Except that a search, which has no GET either, is not allowed."""
    got, head = (served.client.request(method, path, headers=ADMIN) for method in ("GET", "HEAD"))
    assert (head.status_code, head.content) == (got.status_code, b"")
    ignored = ("date", "x-request-id", "content-length") if path == "/metrics" else ("date", "x-request-id")
    kept = [{name: value for name, value in answer.headers.items() if name not in ignored} for answer in (got, head)]
    assert kept[0] == kept[1]
    assert served.search().status_code == 200  # the connection is still in step


def test_a_head_request_counts_for_its_route(served: Running) -> None:
    before = served.metric("vitrine_requests_total", route="/ready", status="200")
    assert served.client.head("/ready").status_code == 200
    assert served.metric("vitrine_requests_total", route="/ready", status="200") == before + 1


@pytest.mark.parametrize("path", ["/search", "/search/batch", "/search/image", "/admin/index/swap"])
@pytest.mark.parametrize("encoding", ["gzip", "br", "GZIP, gzip"])
def test_a_compressed_body_is_refused(served: Running, path: str, encoding: str) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": encoding, **ADMIN}
    answer = served.client.post(path, content=gzip.compress(b'{"query": "a"}'), headers=headers)
    assert (answer.status_code, answer.headers["accept-encoding"]) == (415, "identity")
    detail = f"the body is encoded with {encoding}: send it as it is, without the header Content-Encoding"
    assert answer.json()["detail"] == detail


def test_a_body_in_another_transfer_coding_is_refused(served: Running) -> None:
    host, port = served.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=WAIT_SECONDS) as connection:
        connection.sendall(b"POST /search HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n")
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 501 Not Implemented\r\n")
    assert b"the body is sent with the transfer coding gzip, chunked: expected chunked or none" in answer


def test_headers_of_no_encoding_are_ignored(served: Running) -> None:
    assert served.client.get("/health", headers={"Content-Encoding": "gzip"}).status_code == 200
    body = {"query": "red shoes"}
    assert served.client.post("/search", json=body, headers={"Content-Encoding": "identity"}).status_code == 200


@pytest.mark.parametrize(("prefix", "version"), [("", "v2"), (PREFIX, "v3")], ids=["taken away", "passed on"])
def test_below_a_prefix_all_is_answered(prefixed: Running, prefix: str, version: str) -> None:
    client = prefixed.client
    assert client.post(f"{prefix}/search", json={"query": "1"}).status_code == 200
    assert client.get(f"{prefix}/").headers["content-type"].startswith("text/html")
    assert client.head(f"{prefix}/web/style.css").status_code == 200
    assert client.get(f"{prefix}/admin/index").status_code == 401
    assert client.get(f"{prefix}/nothing").status_code == 404
    assert client.get(f"{prefix}/openapi.json").json()["servers"] == [{"url": PREFIX}]
    swapped = client.post(f"{prefix}/admin/index/swap", json={"version": version}, headers=ADMIN)
    assert (swapped.status_code, swapped.headers["location"]) == (202, f"{PREFIX}/admin/index")
    shown = prefixed.client.get("/admin/index", headers=ADMIN)
    wait_until(lambda: prefixed.search("1").json()["index_version"] == version, f"it is not served: {shown.json()}")


def test_the_prefix_alone_leads_to_its_page(prefixed: Running) -> None:
    answer = prefixed.client.get(PREFIX)
    assert (answer.status_code, answer.headers["location"]) == (308, f"{PREFIX}/")
    assert prefixed.client.get(f"{PREFIX}x/health").status_code == 404


def test_without_a_prefix_the_description_names_no_server(good_store: Path) -> None:
    assert "servers" not in create_app(Settings(store=good_store, device="cpu")).openapi()


def test_an_idle_connection_outlives_that_of_a_balancer(good_store: Path) -> None:
    settings = Settings(store=good_store)
    assert settings.keep_alive_seconds > 60
    with running_service(good_store, keep_alive_seconds=1) as running, httpx.Client(base_url=running.url) as client:
        stream = client.get("/health").extensions["network_stream"]
        assert stream.read(1, timeout=60) == b""  # closed by the service
