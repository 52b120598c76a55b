"""The pages work below a path prefix of a reverse proxy."""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from tests.service.running import Running, running_service
from tests.service.web.conftest import OpenTab, wait_until

pytestmark = [pytest.mark.browser, pytest.mark.integration]

PREFIX = "/search-engine"
PASSED_ON = ("accept", "authorization", "content-type", "if-none-match")


@contextlib.contextmanager
def reverse_proxy(service: str, strays: list[str]) -> Iterator[str]:
    """Serve paths below the prefix from a service that knows none, note all others, yield the prefix's address."""

    class Proxy(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            if not self.path.startswith(f"{PREFIX}/"):
                strays.append(self.path)
                self.send_error(404)
                return
            headers = {name: value for name in PASSED_ON if (value := self.headers.get(name))}
            content = self.rfile.read(int(self.headers.get("content-length", 0)))
            path = self.path.removeprefix(PREFIX)
            answer = client.request(self.command, path, headers=headers, content=content)
            self.send_response(answer.status_code)
            for name in ("content-type", "content-security-policy", "etag", "cache-control"):
                if name in answer.headers:
                    self.send_header(name, answer.headers[name])
            self.send_header("content-length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        do_POST = do_PUT = do_GET

    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        with httpx.Client(base_url=service, verify=False, timeout=60) as client:
            yield f"http://127.0.0.1:{server.server_port}{PREFIX}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_all_pages_work_below_a_prefix_that_a_proxy_takes_away(shop_service: Running, open_tab: OpenTab) -> None:
    strays: list[str] = []
    with reverse_proxy(shop_service.url, strays) as url:
        use_all_pages(replace(shop_service, url=url), open_tab)
    assert strays == []


def test_all_pages_work_below_a_prefix_that_the_service_knows(
    page_store: Path, sample_shop: Path, open_tab: OpenTab
) -> None:
    with running_service(page_store, photos=sample_shop, root_path=PREFIX) as running:
        use_all_pages(replace(running, url=running.url + PREFIX), open_tab)


def use_all_pages(running: Running, open_tab: OpenTab) -> None:
    url = running.url
    tab = open_tab(running, signed_in=True)  # which also checks that no request leaves the prefix
    page = tab.open("/")
    page.get_by_label("What a shopper would type").fill("mug")
    page.locator(".grid .hit").first.wait_for()
    assert page.url == f"{url}/?q=mug"
    wait_until(page, "[...document.images].some((image) => image.src.includes('/images/') && image.naturalWidth)")
    page.get_by_role("link", name="Next page").click()
    wait_until(page, "document.querySelector('.rank').textContent === '25'")
    assert page.url == f"{url}/?q=mug&page=2"
    page.locator(".grid .hit").first.click()
    page.get_by_role("link", name="See more like this").click()
    page.locator(".like").wait_for()
    page.get_by_role("link", name="Compare").click()
    page.get_by_label("Query").fill("mug")
    page.locator(".side.of-right .hit").first.wait_for()
    assert page.url.startswith(f"{url}/compare?q=mug")
    page.get_by_role("link", name="Index").click()
    page.locator(".version").nth(1).wait_for()
    page.get_by_role("link", name="Vitrine").click()
    page.get_by_role("heading", name="Search 300 products").wait_for()
    assert page.url == f"{url}/"
